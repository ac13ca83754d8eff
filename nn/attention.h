#pragma once
// Attention of several heads (Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.2).

#include "nn/layers.h"

namespace tsr {

/// What attention() weighs v with, for pictures: softmax(q·kᵀ/√head_dim), [N, heads, n, m].
Tensor attention_weights(const Tensor& q, const Tensor& k);

struct MultiHeadAttentionOptions {
  std::int64_t dim = 0, heads = 1;  ///< heads divides dim
  bool qkv_bias = true;
};

/// Self-attention: proj of the heads' results side by side, with q, k and v from one product. Names are
/// timm's; the rows of qkv.weight [3·dim, dim] are q's, k's and v's, head by head.
struct MultiHeadAttention : Module {
  MultiHeadAttentionOptions options;
  Linear qkv, proj;

  explicit MultiHeadAttention(const MultiHeadAttentionOptions& options);
  /// [N, n, dim] → [N, n, dim].
  Tensor operator()(const Tensor& x) const;
  /// How much each of x's tokens (the third axis) takes from each (the fourth): [N, heads, n, n].
  Tensor weights(const Tensor& x) const;
  void visit(Visitor& v) override;
  std::string label() const override;

 private:
  /// q, k and v: [N, n, 3, heads, dim/heads].
  Tensor project(const Tensor& x) const;
};

}  // namespace tsr
