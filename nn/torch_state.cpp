#include "nn/torch_state.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "autograd/ops.h"
#include "nn/mismatch.h"

namespace tsr {
namespace {

Tensor permuted(const Tensor& tensor, const Shape& order) {
  NoGrad guard;
  return contiguous(permute(tensor.detach(), order));
}

Tensor to_torch(const NamedTensor& entry) {
  return entry.kind == ParamKind::conv_weight ? permuted(entry.tensor, {0, 3, 1, 2}) : entry.tensor;
}

Tensor from_torch(const Tensor& tensor, ParamKind kind) {
  return kind == ParamKind::conv_weight ? permuted(tensor, {0, 2, 3, 1}) : tensor;
}

/// The shape that to_torch() gives.
Shape torch_shape(const NamedTensor& entry) {
  const Shape& s = entry.tensor.shape();
  return entry.kind == ParamKind::conv_weight ? Shape{s[0], s[3], s[1], s[2]} : s;
}

Mismatch compare(const std::vector<NamedTensor>& model, const TensorSource& tensors,
                 const TorchLoadOptions& options) {
  Mismatch mismatch;
  std::set<std::string> known;
  for (const NamedTensor& entry : model) {
    const std::string name = options.prefix + entry.name;
    known.insert(name);
    const auto found = tensors.entries().find(name);
    if (found == tensors.entries().end()) {
      if (!name.ends_with("num_batches_tracked")) mismatch.missing.push_back(name);
    } else if (found->second.shape != torch_shape(entry)) {
      mismatch.add_misshapen(name, found->second, {entry.tensor.dtype(), torch_shape(entry)});
    }
  }
  for (const auto& [name, info] : tensors.entries()) {
    const auto passed_over = [&, n = std::string_view(name)](const std::string& start) {
      return n.substr(options.prefix.size()).starts_with(start);
    };
    if (name.starts_with(options.prefix) && !known.contains(name) &&
        std::ranges::none_of(options.pass_over, passed_over))
      mismatch.unexpected.push_back(name);
  }
  return mismatch;
}

}  // namespace

TensorMap torch_state_dict(Module& module, const std::string& prefix) {
  TensorMap result;
  for (const NamedTensor& entry : named_tensors(module)) result[prefix + entry.name] = to_torch(entry);
  return result;
}

void load_torch_state_dict(Module& module, const TensorSource& tensors, const std::string& source,
                           const TorchLoadOptions& options) {
  const std::vector<NamedTensor> model = named_tensors(module);
  compare(model, tensors, options).check(source);
  for (const NamedTensor& entry : model) {
    const std::string name = options.prefix + entry.name;
    if (tensors.entries().contains(name)) copy_into(entry.tensor, from_torch(tensors.read(name), entry.kind));
  }
}

void load_torch_state_dict(Module& module, const TensorMap& tensors, const std::string& source,
                           const TorchLoadOptions& options) {
  load_torch_state_dict(module, MapSource(tensors), source, options);
}

}  // namespace tsr
