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
  /// Images' sides must be multiples of this.
  virtual std::int64_t size_multiple() const { return 1; }
  /// A fresh encoder of the same structure, for methods with two. Throws Error where an encoder doesn't say
  /// how to make one.
  virtual std::unique_ptr<Encoder> another() const;
  /// Takes weights in PyTorch's layout (load_torch_state_dict), those of a network with a classifier as well:
  /// what begins with fc. is passed over.
  virtual void load_weights(const TensorSource& tensors, const std::string& source);
};

/// Another encoder with its own copy of the state.
std::unique_ptr<Encoder> clone_encoder(Encoder& encoder);

}  // namespace tsr
