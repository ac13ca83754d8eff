#include "nn/module.h"

#include "tensor/random.h"

namespace tsr {
namespace {

class Collect final : public Visitor {
 public:
  std::vector<NamedTensor> entries;

 protected:
  void on_param(const std::string& name, Parameter& parameter, ParamKind kind) override {
    entries.push_back({name, parameter.tensor(), kind, true});
  }
  void on_buffer(const std::string& name, Tensor& tensor) override {
    entries.push_back({name, tensor, ParamKind::bias, false});
  }
};

}  // namespace

std::string Visitor::path(std::string_view name) const {
  return prefix_.empty() ? std::string(name) : prefix_ + '.' + std::string(name);
}

void Visitor::param(std::string_view name, Parameter& parameter, ParamKind kind) {
  if (parameter.defined()) on_param(path(name), parameter, kind);
}

void Visitor::buffer(std::string_view name, Tensor& tensor) {
  if (tensor.defined()) on_buffer(path(name), tensor);
}

void Visitor::child(std::string_view name, Module& module) {
  const std::string outer = prefix_;
  prefix_ = path(name);
  on_module(prefix_, module);
  module.visit(*this);
  prefix_ = outer;
}

void Visitor::on_module(const std::string&, Module&) {}

void Module::train(bool on) {
  struct SetTraining final : Visitor {
    bool on;
    explicit SetTraining(bool on) : on(on) {}
    void on_param(const std::string&, Parameter&, ParamKind) override {}
    void on_buffer(const std::string&, Tensor&) override {}
    void on_module(const std::string&, Module& module) override { module.training_ = on; }
  } setter(on);
  training_ = on;
  visit(setter);
}

void Module::to(DType dtype) {
  for (const NamedTensor& entry : named_tensors(*this)) {
    if (!is_floating(entry.tensor.dtype()) || entry.tensor.dtype() == dtype) continue;
    entry.tensor.swap_storage(entry.tensor.to(dtype));
    entry.tensor.set_grad({});
  }
}

void Module::zero_grad() {
  for (const NamedTensor& entry : named_parameters(*this)) entry.tensor.set_grad({});
}

std::vector<NamedTensor> named_tensors(Module& module) {
  Collect collect;
  module.visit(collect);
  return std::move(collect.entries);
}

std::vector<NamedTensor> named_parameters(Module& module) {
  std::vector<NamedTensor> entries = named_tensors(module);
  std::erase_if(entries, [](const NamedTensor& entry) { return !entry.learned; });
  return entries;
}

std::int64_t parameter_count(Module& module) {
  std::int64_t count = 0;
  for (const NamedTensor& entry : named_parameters(module)) count += entry.tensor.numel();
  return count;
}

void copy_state(Module& from, Module& to) {
  const auto source = named_tensors(from), target = named_tensors(to);
  TSR_CHECK(source.size() == target.size(), "copy_state: ", source.size(), " tensors on one side, ",
            target.size(), " on the other; the modules differ in structure");
  for (std::size_t i = 0; i < source.size(); ++i) {
    TSR_CHECK(source[i].name == target[i].name && source[i].tensor.shape() == target[i].tensor.shape() &&
                  source[i].tensor.dtype() == target[i].tensor.dtype(),
              "copy_state: '", source[i].name, "' ", describe(source[i].tensor), " against '", target[i].name,
              "' ", describe(target[i].tensor));
    copy_into(target[i].tensor, source[i].tensor);
  }
}

Generator& init_generator() {
  thread_local Generator generator(0);
  return generator;
}

void seed_init(std::uint64_t seed) { init_generator() = Generator(seed); }

}  // namespace tsr
