#include "nn/optimizer.h"

#include "autograd/ops.h"

namespace tsr {

Optimizer::Optimizer(std::vector<ParamGroup> groups, std::vector<OptimizerBuffer> buffers)
    : groups_(std::move(groups)), kinds_(std::move(buffers)) {
  for (const ParamGroup& group : groups_)
    for (const NamedTensor& parameter : group.parameters)
      TSR_CHECK(buffers_.emplace(parameter.name, kinds_.size()).second, "optimizer: parameter '",
                parameter.name, "' is there twice; each belongs to one group");
}

void Optimizer::step(double learning_rate) {
  NoGrad guard;
  std::map<std::pair<Device, DType>, std::vector<Turn>> alike;
  for (const ParamGroup& group : groups_) {
    const double rate = learning_rate * group.learning_rate_scale(steps_), decay = group.weight_decay(steps_);
    for (const NamedTensor& parameter : group.parameters) {
      const Tensor grad = parameter.tensor.grad();
      if (!grad.defined()) continue;
      TSR_CHECK(grad.dtype() == parameter.tensor.dtype(), "optimizer: '", parameter.name, "' is ",
                describe(parameter.tensor), " but its gradient is ", describe(grad));
      TSR_CHECK(parameter.tensor.is_contiguous(), "optimizer: '", parameter.name,
                "' is strided; parameters must be dense, see contiguous()");
      alike[{grad.device(), grad.dtype()}].push_back(
          {group, parameter, contiguous(grad), rate, decay, buffers_.at(parameter.name)});
    }
  }
  for (const auto& [kind, turns] : alike) {
    update(turns);
    for (const Turn& turn : turns) turn.parameter.tensor.bump_version("optimizer step");
  }
  ++steps_;
}

void Optimizer::zero_grad() {
  for (const ParamGroup& group : groups_)
    for (const NamedTensor& parameter : group.parameters) parameter.tensor.set_grad({});
}

void Optimizer::state(State& s) {
  s.integer("step", steps_);
  for (const ParamGroup& group : groups_)
    for (const NamedTensor& parameter : group.parameters)
      for (std::size_t i = 0; i < kinds_.size(); ++i) {
        const std::string name = parameter.name + '.' + kinds_[i].name;
        Tensor& buffer = buffers_.at(parameter.name)[i];
        if (s.reading()) buffer = s.contains(name) ? new_buffer(parameter, i) : Tensor();
        s.tensor(name, buffer);
      }
}

Tensor Optimizer::new_buffer(const NamedTensor& parameter, std::size_t index) const {
  const Tensor& p = parameter.tensor;
  return kinds_[index].counter ? zeros({}, int64) : zeros(p.shape(), p.dtype(), p.device());
}

const Tensor& Optimizer::make_buffer(const Turn& turn, std::size_t index) const {
  Tensor& buffer = turn.buffers[index];
  if (!buffer.defined()) buffer = new_buffer(turn.parameter, index);
  TSR_CHECK(kinds_[index].counter || buffer.dtype() == turn.parameter.tensor.dtype(), "optimizer: '",
            turn.parameter.name, "' is ", describe(turn.parameter.tensor), " but its ", kinds_[index].name,
            " is ", describe(buffer), "; convert a module before its first step");
  return buffer;
}

double Optimizer::fraction(const char* name, const std::optional<Schedule>& own,
                           const Schedule& usual) const {
  const double value = own ? (*own)(steps_) : usual(steps_);
  TSR_CHECK(value >= 0 && value < 1, "optimizer: ", name, " = ", value, "; choose 0 ≤ ", name, " < 1");
  return value;
}

}  // namespace tsr
