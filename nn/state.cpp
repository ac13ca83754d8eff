#include "nn/state.h"

#include "nn/mismatch.h"

namespace tsr {
namespace {

Tensor of_integer(std::int64_t value) { return from_values(std::vector<std::int64_t>{value}, {}); }

TensorInfo info_of(const Tensor& tensor) { return {tensor.dtype(), tensor.shape()}; }

}  // namespace

std::string State::path(std::string_view name) const {
  return prefix_.empty() ? std::string(name) : prefix_ + '.' + std::string(name);
}

bool State::contains(std::string_view name) const { return source_->entries().contains(path(name)); }

Tensor State::take(const std::string& name) {
  TSR_CHECK_INPUT(source_->entries().contains(name), "checkpoint: '", name,
                  "' is missing; it was written by a different method or configuration");
  TSR_CHECK(taken_.insert(name).second, "state: '", name, "' is asked for twice");
  return source_->read(name);
}

void State::put(const std::string& name, Tensor tensor) {
  TSR_CHECK(tensors_.emplace(name, std::move(tensor)).second, "state: '", name,
            "' is saved twice; give each its own name");
}

void State::tensor(std::string_view name, Tensor& tensor) {
  const std::string full = path(name);
  if (!reading()) {
    if (tensor.defined()) put(full, how_ == Collect::copies ? tensor.clone() : tensor.detach());
    return;
  }
  const auto saved = source_->entries().find(full);
  if (saved == source_->entries().end()) {
    TSR_CHECK_INPUT(!tensor.defined(), "checkpoint: '", full, "' is missing");
    return;
  }
  if (!tensor.defined()) {
    tensor = take(full);
    return;
  }
  TSR_CHECK_INPUT(saved->second == info_of(tensor), "checkpoint: '", full, "' is ", saved->second,
                  " but the model has ", describe(tensor));
  copy_into(tensor, take(full));
}

void State::integer(std::string_view name, std::int64_t& value) {
  if (!reading()) {
    put(path(name), of_integer(value));
    return;
  }
  const Tensor saved = take(path(name));
  TSR_CHECK_INPUT(saved.dtype() == int64 && saved.numel() == 1, "checkpoint: '", path(name),
                  "' is not an integer");
  value = *saved.data<std::int64_t>();
}

void State::real(std::string_view name, double& value) {
  if (!reading()) {
    put(path(name), scalar(value, float64));
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
  if (reading()) generator = Generator(static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(draw));
}

void State::module(std::string_view name, Module& module) {
  if (reading()) check_module(name, module);
  for (NamedTensor& entry : named_tensors(module)) tensor(std::string(name) + '.' + entry.name, entry.tensor);
}

void State::check_module(std::string_view name, Module& module) const {
  Mismatch mismatch;
  for (const NamedTensor& entry : named_tensors(module)) {
    const std::string full = path(name) + '.' + entry.name;
    const auto saved = source_->entries().find(full);
    if (saved == source_->entries().end()) {
      mismatch.missing.push_back(full);
    } else if (saved->second != info_of(entry.tensor)) {
      mismatch.add_misshapen(full, saved->second, info_of(entry.tensor));
    }
  }
  mismatch.check("checkpoint");
}

void State::finish() const {
  Mismatch mismatch;
  for (const auto& [name, info] : source_->entries())
    if (!taken_.contains(name)) mismatch.unexpected.push_back(name);
  mismatch.check("checkpoint");
}

std::shared_ptr<const TensorSource> open_state_file(const std::filesystem::path& path) {
  auto file = std::make_shared<SafetensorsReader>(path);
  const auto& metadata = file->metadata();
  const auto found = metadata.find("tessera_state_version");
  const std::string version = found == metadata.end() ? "" : found->second;
  TSR_CHECK_INPUT(version == kStateVersion, path.string(), ": state version '", version,
                  "', this build reads '", kStateVersion, "'");
  return file;
}

}  // namespace tsr
