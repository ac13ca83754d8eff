#include "nn/transformer.h"

namespace tsr {
namespace {

constexpr double kBlockEpsilon = 1e-6;  // of ViT's layer norms

}  // namespace

LayerScale::LayerScale(const LayerScaleOptions& options) : options(options) {
  TSR_CHECK(options.features > 0, "LayerScale: features = ", options.features, "; must be positive");
  gamma = Parameter(full({options.features}, options.initial));
}

void LayerScale::visit(Visitor& v) { v.param("gamma", gamma, ParamKind::norm_weight); }

std::string LayerScale::label() const { return text("LayerScale(features = ", options.features, ")"); }

TransformerBlock::TransformerBlock(const TransformerBlockOptions& options)
    : options(options),
      norm1({.features = options.dim, .epsilon = kBlockEpsilon}),
      norm2({.features = options.dim, .epsilon = kBlockEpsilon}),
      attn({.dim = options.dim, .heads = options.heads, .qkv_bias = options.qkv_bias}),
      mlp({.in = options.dim, .hidden = 4 * options.dim, .out = options.dim}),
      drop_path({.p = options.drop_path}) {
  if (options.layer_scale == 0) return;
  ls1.emplace(LayerScaleOptions{.features = options.dim, .initial = options.layer_scale});
  ls2.emplace(LayerScaleOptions{.features = options.dim, .initial = options.layer_scale});
}

Tensor TransformerBlock::operator()(const Tensor& x) const {
  const Tensor attended = attn(norm1(x));
  const Tensor y = x + drop_path(ls1 ? (*ls1)(attended) : attended);
  const Tensor branch = mlp(norm2(y));
  return y + drop_path(ls2 ? (*ls2)(branch) : branch);
}

void TransformerBlock::visit(Visitor& v) {
  v.child("norm1", norm1);
  v.child("attn", attn);
  if (ls1) v.child("ls1", *ls1);
  v.child("norm2", norm2);
  v.child("mlp", mlp);
  if (ls2) v.child("ls2", *ls2);
  if (options.drop_path > 0) v.child("drop_path", drop_path);
}

}  // namespace tsr
