#pragma once
// Dropout and dropped paths. Both draw from layer_generator() and do nothing in evaluation.

#include "nn/activations.h"

namespace tsr {

struct DropoutOptions {
  double p = 0.5;  ///< the probability of dropping, 0 ≤ p < 1
};

/// Each element is zero with probability p, else divided by 1 - p (Srivastava et al. 2014).
struct Dropout final : StatelessModule {
  DropoutOptions options;
  explicit Dropout(const DropoutOptions& options = {});
  Tensor operator()(const Tensor& x) const;
  std::string label() const override;
};

/// The same for whole samples: x [N, ...], of a residual branch (stochastic depth, Huang et al. 2016).
struct DropPath final : StatelessModule {
  DropoutOptions options;
  explicit DropPath(const DropoutOptions& options = {});
  Tensor operator()(const Tensor& x) const;
  std::string label() const override;
};

}  // namespace tsr
