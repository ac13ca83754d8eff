#include "nn/state.h"

#include "autograd/ops.h"

namespace tsr {
namespace {

Tensor of_integer(std::int64_t value) { return from_values(std::vector<std::int64_t>{value}, {}); }

Tensor permuted(const Tensor& tensor, const Shape& order) {
  NoGrad guard;
  return contiguous(permute(tensor.detach(), order));
}

Tensor to_torch(const NamedTensor& entry) {
  return entry.kind == ParamKind::conv_weight ? permuted(entry.tensor, {0, 3, 1, 2}) : entry.tensor;
}

Tensor from_torch(const Tensor& tensor, ParamKind kind) {
  return kind == ParamKind::conv_weight && tensor.rank() == 4 ? permuted(tensor, {0, 2, 3, 1}) : tensor;
}

}  // namespace

std::string State::path(std::string_view name) const {
  return prefix_.empty() ? std::string(name) : prefix_ + '.' + std::string(name);
}

Tensor State::take(const std::string& name) {
  const auto found = tensors_.find(name);
  TSR_CHECK_INPUT(found != tensors_.end(), "checkpoint: '", name,
                  "' is missing; it was written by a different "
                  "method or configuration");
  Tensor tensor = found->second;
  tensors_.erase(found);
  return tensor;
}

void State::tensor(std::string_view name, Tensor& tensor) {
  const std::string full = path(name);
  if (!reading_) {
    if (tensor.defined()) tensors_[full] = tensor.detach().clone();
    return;
  }
  if (!tensors_.contains(full)) {
    TSR_CHECK_INPUT(!tensor.defined(), "checkpoint: '", full, "' is missing");
    return;
  }
  Tensor saved = take(full);
  if (!tensor.defined()) {
    tensor = saved;
    return;
  }
  TSR_CHECK_INPUT(saved.shape() == tensor.shape() && saved.dtype() == tensor.dtype(), "checkpoint: '", full,
                  "' is ", describe(saved), " but the model has ", describe(tensor));
  copy_into(tensor, saved);
}

void State::integer(std::string_view name, std::int64_t& value) {
  if (!reading_) {
    tensors_[path(name)] = of_integer(value);
    return;
  }
  const Tensor saved = take(path(name));
  TSR_CHECK_INPUT(saved.dtype() == int64 && saved.numel() == 1, "checkpoint: '", path(name),
                  "' is not an integer");
  value = *saved.data<std::int64_t>();
}

void State::real(std::string_view name, double& value) {
  if (!reading_) {
    tensors_[path(name)] = scalar(value, float64);
    return;
  }
  const Tensor saved = take(path(name));
  TSR_CHECK_INPUT(saved.dtype() == float64 && saved.numel() == 1, "checkpoint: '", path(name),
                  "' is not a number");
  value = *saved.data<double>();
}

void State::generator(std::string_view name, Generator& generator) {
  auto seed = static_cast<std::int64_t>(generator.seed()), draw = static_cast<std::int64_t>(generator.draw());
  integer(std::string(name) + ".seed", seed);
  integer(std::string(name) + ".draw", draw);
  if (reading_) generator = Generator(static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(draw));
}

void State::module(std::string_view name, Module& module) {
  for (NamedTensor& entry : named_tensors(module)) tensor(std::string(name) + '.' + entry.name, entry.tensor);
}

void State::finish() const {
  TSR_CHECK_INPUT(tensors_.empty(), "checkpoint: '", tensors_.begin()->first, "' (and ", tensors_.size() - 1,
                  " more) is in the file but unknown to this configuration");
}

TensorMap read_state_file(const std::filesystem::path& path) {
  SafetensorsFile file = read_safetensors(path);
  const std::string version = file.metadata["tessera_state_version"];
  TSR_CHECK_INPUT(version == kStateVersion, path.string(), ": state version '", version,
                  "', this build reads '", kStateVersion, "'");
  return std::move(file.tensors);
}

TensorMap torch_state_dict(Module& module, const std::string& prefix) {
  TensorMap result;
  for (const NamedTensor& entry : named_tensors(module)) result[prefix + entry.name] = to_torch(entry);
  return result;
}

void load_torch_state_dict(Module& module, const TensorMap& tensors, const std::string& source,
                           const std::string& prefix) {
  std::vector<NamedTensor> entries = named_tensors(module);
  std::map<std::string, Tensor> converted;
  for (const NamedTensor& entry : entries) {
    const std::string name = prefix + entry.name;
    const auto found = tensors.find(name);
    if (found == tensors.end() && name.ends_with("num_batches_tracked")) continue;
    TSR_CHECK_INPUT(found != tensors.end(), source, ": tensor '", name, "' is missing");
    converted[name] = from_torch(found->second, entry.kind);
    TSR_CHECK_INPUT(converted[name].shape() == entry.tensor.shape(), source, ": tensor '", name, "' is ",
                    describe(found->second), " but the model's, in PyTorch's order, is ",
                    to_torch(entry).shape());
  }
  for (const auto& [name, tensor] : tensors)
    TSR_CHECK_INPUT(!name.starts_with(prefix) || converted.contains(name), source, ": tensor '", name,
                    "' is unknown to the model");
  for (const NamedTensor& entry : entries)
    if (const auto found = converted.find(prefix + entry.name); found != converted.end())
      copy_into(entry.tensor, found->second);
}

}  // namespace tsr
