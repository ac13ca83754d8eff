#pragma once
// A transformer's block, its norms in front of the branches ("pre-norm"), with timm's names.

#include <optional>

#include "nn/attention.h"
#include "nn/dropout.h"
#include "nn/mlp.h"
#include "nn/norms.h"

namespace tsr {

struct LayerScaleOptions {
  std::int64_t features = 0;
  double initial = 1e-5;
};

/// A learned factor for each feature of a residual branch: x·gamma, x [..., features] (Touvron et al., "Going
/// deeper with Image Transformers", ICCV 2021).
struct LayerScale : Module {
  LayerScaleOptions options;
  Parameter gamma;

  explicit LayerScale(const LayerScaleOptions& options);
  Tensor operator()(const Tensor& x) const { return x * gamma; }
  void visit(Visitor& v) override;
  std::string label() const override;
};

struct TransformerBlockOptions {
  std::int64_t dim = 0, heads = 1;  ///< heads divides dim; the MLP's hidden layer is 4·dim wide
  bool qkv_bias = true;
  double layer_scale = 0;  ///< where the factors start; 0: there are none
  double drop_path = 0;    ///< the probability that a sample skips a branch in training
};

/// x + ls1(attn(norm1(x))), then x + ls2(mlp(norm2(x))); each branch may be dropped.
struct TransformerBlock : Module {
  TransformerBlockOptions options;
  LayerNorm norm1, norm2;
  MultiHeadAttention attn;
  Mlp mlp;
  std::optional<LayerScale> ls1, ls2;
  DropPath drop_path;

  explicit TransformerBlock(const TransformerBlockOptions& options);
  /// [N, n, dim] → [N, n, dim].
  Tensor operator()(const Tensor& x) const;
  void visit(Visitor& v) override;
};

}  // namespace tsr
