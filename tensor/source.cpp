#include "tensor/source.h"

#include <ostream>

namespace tsr {

std::ostream& operator<<(std::ostream& out, const TensorInfo& info) {
  return out << info.dtype << info.shape;
}

MapSource::MapSource(TensorMap tensors) : tensors_(std::move(tensors)) {
  for (const auto& [name, tensor] : tensors_) entries_[name] = {tensor.dtype(), tensor.shape()};
}

Tensor MapSource::read(const std::string& name) const {
  const auto found = tensors_.find(name);
  TSR_CHECK_INPUT(found != tensors_.end(), "tensor '", name, "' is missing");
  return found->second;
}

}  // namespace tsr
