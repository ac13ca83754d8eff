#pragma once
// Dropout and dropped paths. Both draw from layer_generator() and do nothing in evaluation.

#include <functional>

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
  /// Draws instead of layer_generator(), once a call: numbers in [0, 1), [N] and of x's dtype. A sample is
  /// dropped where its number is below p.
  std::function<Tensor(std::int64_t samples, DType dtype)> draw;
  explicit DropPath(const DropoutOptions& options = {});
  Tensor operator()(const Tensor& x) const;
  std::string label() const override;
};

}  // namespace tsr
