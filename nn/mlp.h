#pragma once
// The perceptron with one hidden layer of a transformer's block.

#include "nn/layers.h"

namespace tsr {

struct MlpOptions {
  std::int64_t in = 0, hidden = 0, out = 0;
};

/// fc2(gelu(fc1(x))) along the last axis, with the exact gelu: [..., in] → [..., out].
struct Mlp : Module {
  MlpOptions options;
  Linear fc1, fc2;

  explicit Mlp(const MlpOptions& options)
      : options(options),
        fc1({.in = options.in, .out = options.hidden}),
        fc2({.in = options.hidden, .out = options.out}) {}
  Tensor operator()(const Tensor& x) const { return fc2(gelu(fc1(x))); }
  void visit(Visitor& v) override {
    v.child("fc1", fc1);
    v.child("fc2", fc2);
  }
};

}  // namespace tsr
