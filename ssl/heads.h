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
  bool last_affine = true;      ///< which has a learned scale and shift
  bool bias = true;             ///< of linear layers that no norm follows
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

struct DinoHeadOptions {
  std::int64_t in = 0, hidden = 2048, bottleneck = 256, out = 65'536;
  int layers = 3;                ///< linear layers before the last
  bool batch_norm = false;       ///< after each hidden layer
  bool bottleneck_norm = true;   ///< unit length before the last layer
  bool weight_norm = true;       ///< of the last layer's rows
  bool train_magnitude = false;  ///< weight_g is learned; else it stays 1
};

/// DINO's projection head (Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV
/// 2021, appendix C): an MLP with gelu, its result on the unit sphere, and a linear layer without bias whose
/// rows are prototypes of length g. Names are those of the authors' code: mlp.0, mlp.2, …,
/// last_layer.weight_g [out, 1], last_layer.weight_v [out, bottleneck].
struct DinoHead : Module {
  DinoHeadOptions options;
  std::vector<Linear> mlp;
  std::vector<BatchNorm> norms;
  Parameter weight_g, weight_v;

  explicit DinoHead(const DinoHeadOptions& options);
  /// [N, in] → [N, out].
  Tensor operator()(const Tensor& features);
  void visit(Visitor& v) override;
};

}  // namespace tsr
