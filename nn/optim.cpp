#include "nn/optim.h"

#include <cmath>
#include <numbers>

#include "autograd/ops.h"

namespace tsr {
namespace {

double l2_norm(const Tensor& tensor) { return norm(tensor.detach()).item(); }

void run_sgd(const NamedTensor& parameter, const Tensor& grad, const Tensor& buffer,
             const SgdParams& params) {
  Context context(parameter.tensor.device());
  sgd_step(context, parameter.tensor.view(), grad.view(), buffer.defined() ? buffer.view() : View{}, params);
  parameter.tensor.bump_version("optimizer step");
}

void check_momentum(const char* name, double momentum) {
  TSR_CHECK(momentum >= 0 && momentum < 1, name, ": momentum ", momentum, "; choose 0 ≤ momentum < 1");
}

}  // namespace

std::vector<ParamGroup> decay_groups(const std::vector<NamedTensor>& parameters, double weight_decay) {
  ParamGroup weights{.parameters = {}, .weight_decay = weight_decay},
      others{.parameters = {}, .adapt = false};
  for (const NamedTensor& parameter : parameters) {
    const bool weight =
        parameter.kind == ParamKind::linear_weight || parameter.kind == ParamKind::conv_weight;
    (weight ? weights : others).parameters.push_back(parameter);
  }
  return {weights, others};
}

void Optimizer::step(double learning_rate) {
  NoGrad guard;
  for (const ParamGroup& group : groups_) {
    for (const NamedTensor& parameter : group.parameters) {
      const Tensor grad = parameter.tensor.grad();
      if (grad.defined())
        update(group, parameter, contiguous(grad), buffers_[parameter.name],
               learning_rate * group.learning_rate_scale);
    }
  }
}

void Optimizer::zero_grad() {
  for (const ParamGroup& group : groups_)
    for (const NamedTensor& parameter : group.parameters) parameter.tensor.set_grad({});
}

void Optimizer::state(State& s) {
  for (const ParamGroup& group : groups_)
    for (const NamedTensor& parameter : group.parameters) {
      if (s.reading()) buffers_[parameter.name] = Tensor();
      s.tensor(parameter.name, buffers_[parameter.name]);
    }
}

Sgd::Sgd(std::vector<ParamGroup> groups, const SgdOptions& options)
    : Optimizer(std::move(groups)), options_(options) {
  check_momentum("Sgd", options.momentum);
}

void Sgd::update(const ParamGroup& group, const NamedTensor& parameter, const Tensor& grad, Tensor& buffer,
                 double learning_rate) {
  if (options_.momentum > 0 && !buffer.defined()) buffer = zeros(grad.shape(), grad.dtype(), grad.device());
  run_sgd(parameter, grad, buffer,
          {.learning_rate = learning_rate,
           .momentum = options_.momentum,
           .weight_decay = group.weight_decay,
           .nesterov = options_.nesterov});
}

Lars::Lars(std::vector<ParamGroup> groups, const LarsOptions& options)
    : Optimizer(std::move(groups)), options_(options) {
  check_momentum("Lars", options.momentum);
}

void Lars::update(const ParamGroup& group, const NamedTensor& parameter, const Tensor& grad, Tensor& buffer,
                  double learning_rate) {
  if (!buffer.defined()) buffer = zeros(grad.shape(), grad.dtype(), grad.device());
  double ratio = 1;
  if (group.adapt) {
    const double weight = l2_norm(parameter.tensor), gradient = l2_norm(grad);
    if (weight > 0 && gradient > 0)
      ratio = options_.trust * weight / (gradient + group.weight_decay * weight);
  }
  run_sgd(parameter, grad, buffer,
          {.learning_rate = 1,
           .momentum = options_.momentum,
           .weight_decay = group.weight_decay,
           .scale = learning_rate * ratio});
}

double gradient_norm(const std::vector<NamedTensor>& parameters) {
  NoGrad guard;
  double squares = 0;
  for (const NamedTensor& parameter : parameters) {
    const Tensor grad = parameter.tensor.grad();
    if (!grad.defined()) continue;
    const double norm = l2_norm(grad);
    squares += norm * norm;
  }
  return std::sqrt(squares);
}

double CosineSchedule::operator()(std::int64_t step) const {
  if (step < warmup) return base * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double progress =
      static_cast<double>(step - warmup) / static_cast<double>(std::max<std::int64_t>(1, total - warmup));
  return base * (1 + std::cos(std::numbers::pi * std::min(1.0, progress))) / 2;
}

}  // namespace tsr
