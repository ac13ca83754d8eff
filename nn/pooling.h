#pragma once
// Pooling layers over images [N, H, W, C].

#include "nn/activations.h"

namespace tsr {

struct Pool2dOptions {
  int kernel = 2, stride = 0, padding = 0;  ///< stride 0: as the kernel
};

struct MaxPool2d final : StatelessModule {
  Pool2dOptions options;
  explicit MaxPool2d(const Pool2dOptions& options = {});
  Tensor operator()(const Tensor& x) const;
  std::string label() const override;
};

/// Padding counts as zeros.
struct AvgPool2d final : StatelessModule {
  Pool2dOptions options;
  explicit AvgPool2d(const Pool2dOptions& options = {});
  Tensor operator()(const Tensor& x) const;
  std::string label() const override;
};

/// [N, H, W, C] → [N, C].
struct GlobalAvgPool final : StatelessModule {
  Tensor operator()(const Tensor& x) const { return global_avg_pool(x); }
};

}  // namespace tsr
