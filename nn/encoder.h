#pragma once
// Encoder: what turns images into features; the part of a model that pre-training leaves behind.

#include <memory>
#include <string>

#include "nn/module.h"
#include "tensor/source.h"

namespace tsr {

struct Encoder : Module {
  /// Images [N, H, W, C] → features [N, feature_size()].
  virtual Tensor operator()(const Tensor& images) = 0;
  virtual std::int64_t feature_size() const = 0;
  /// Takes weights in PyTorch's layout (load_torch_state_dict), those of a network with a classifier as well:
  /// what begins with fc. is passed over.
  virtual void load_weights(const TensorSource& tensors, const std::string& source);
};

}  // namespace tsr
