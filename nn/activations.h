#pragma once
// Activations, Identity and Flatten as modules: nothing learned, each one call of its op.

#include "autograd/ops.h"
#include "nn/module.h"

namespace tsr {

/// A module without parameters or buffers.
struct StatelessModule : Module {
  void visit(Visitor&) override {}
};

struct Identity final : StatelessModule {
  Tensor operator()(const Tensor& x) const { return x; }
};

/// Images [N, H, W, C] → [N, C·H·W] in PyTorch's order (flatten_image); any other [N, …] → [N, rest].
struct Flatten final : StatelessModule {
  Tensor operator()(const Tensor& x) const;
};

struct ReLU final : StatelessModule {
  Tensor operator()(const Tensor& x) const { return relu(x); }
};

struct Sigmoid final : StatelessModule {
  Tensor operator()(const Tensor& x) const { return sigmoid(x); }
};

struct Tanh final : StatelessModule {
  Tensor operator()(const Tensor& x) const { return tanh(x); }
};

}  // namespace tsr
