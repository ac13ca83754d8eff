#pragma once
// Heads that methods put on an encoder.

#include <optional>
#include <vector>

#include "nn/layers.h"

namespace tsr {

struct ProjectionHeadOptions {
  std::int64_t in = 0, hidden = 0, out = 0;
  int layers = 2;
  bool batch_norm = true;       ///< after every linear layer, which then has no bias
  bool last_batch_norm = true;  ///< after the last one too
};

/// An MLP with ReLU between its layers. Names are those of a flat Sequential with batch norm:
/// 0 linear, 1 norm, (2 relu), 3 linear, 4 norm, ….
struct ProjectionHead : Module {
  ProjectionHeadOptions options;
  std::vector<Linear> linears;
  std::vector<std::optional<BatchNorm>> norms;

  explicit ProjectionHead(const ProjectionHeadOptions& options);
  /// [N, in] → [N, out].
  Tensor operator()(const Tensor& features);
  void visit(Visitor& v) override;
};

}  // namespace tsr
