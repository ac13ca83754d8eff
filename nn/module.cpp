#include "nn/module.h"

#include "tensor/random.h"

namespace tsr {
namespace {

constexpr std::uint64_t kLayerStream = 1;  // of Generator::fork

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
  on_module_end();
  prefix_ = outer;
}

void Visitor::on_module(const std::string&, Module&) {}
void Visitor::on_module_end() {}

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

void Module::to(Device device) {
  for (const NamedTensor& entry : named_tensors(*this)) {
    if (entry.tensor.device() == device) continue;
    entry.tensor.swap_storage(entry.tensor.to(device));
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

std::vector<std::pair<NamedTensor, NamedTensor>> paired_tensors(const char* op, Module& a, Module& b) {
  const auto first = named_tensors(a), second = named_tensors(b);
  TSR_CHECK(first.size() == second.size(), op, ": ", first.size(), " tensors on one side, ", second.size(),
            " on the other; the modules differ in structure");
  std::vector<std::pair<NamedTensor, NamedTensor>> pairs;
  for (std::size_t i = 0; i < first.size(); ++i) {
    TSR_CHECK(first[i].name == second[i].name && first[i].tensor.shape() == second[i].tensor.shape() &&
                  first[i].tensor.dtype() == second[i].tensor.dtype(),
              op, ": '", first[i].name, "' ", describe(first[i].tensor), " against '", second[i].name, "' ",
              describe(second[i].tensor));
    pairs.emplace_back(first[i], second[i]);
  }
  return pairs;
}

void copy_state(Module& from, Module& to) {
  for (const auto& [source, target] : paired_tensors("copy_state", from, to))
    copy_into(target.tensor, source.tensor);
}

Generator& init_generator() {
  thread_local Generator generator(0);
  return generator;
}

void seed_init(std::uint64_t seed) { init_generator() = Generator(seed); }

Generator& layer_generator() {
  thread_local Generator generator = Generator(0).fork(kLayerStream);
  return generator;
}

void seed_layers(std::uint64_t seed) { layer_generator() = Generator(seed).fork(kLayerStream); }

}  // namespace tsr
