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

struct GELU final : StatelessModule {
  GeluForm form;
  explicit GELU(GeluForm form = GeluForm::erf) : form(form) {}
  Tensor operator()(const Tensor& x) const { return gelu(x, form); }
};

struct SiLU final : StatelessModule {
  Tensor operator()(const Tensor& x) const { return silu(x); }
};

struct LeakyReLU final : StatelessModule {
  double slope;
  explicit LeakyReLU(double slope = 0.01) : slope(slope) {}
  Tensor operator()(const Tensor& x) const { return leaky_relu(x, slope); }
};

struct Softplus final : StatelessModule {
  double beta;
  explicit Softplus(double beta = 1) : beta(beta) {}
  Tensor operator()(const Tensor& x) const { return softplus(x, beta); }
};

struct Tanh final : StatelessModule {
  Tensor operator()(const Tensor& x) const { return tanh(x); }
};

}  // namespace tsr
