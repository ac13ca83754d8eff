#include "nn/norms.h"

#include "autograd/ops.h"

namespace tsr {
namespace {

/// (x - mean)/√(var + ε) over the axes.
Tensor standardize(const Tensor& x, const Shape& axes, double epsilon) {
  const Tensor centred = x - mean(x, axes, true);
  return centred / sqrt(mean(centred * centred, axes, true) + epsilon);
}

Tensor scale_and_shift(const Tensor& x, const Parameter& weight, const Parameter& bias) {
  return weight.defined() ? x * weight.tensor() + bias.tensor() : x;
}

}  // namespace

LayerNorm::LayerNorm(const LayerNormOptions& options) : options(options) {
  TSR_CHECK(options.features > 0, "LayerNorm: features = ", options.features, "; must be positive");
  if (!options.affine) return;
  weight = Parameter(ones({options.features}));
  bias = Parameter(zeros({options.features}));
}

Tensor LayerNorm::operator()(const Tensor& x) const {
  TSR_CHECK(x.rank() >= 1 && x.size(-1) == options.features, "LayerNorm: x ", describe(x), " is not [..., ",
            options.features, "]");
  return scale_and_shift(standardize(x, {-1}, options.epsilon), weight, bias);
}

void LayerNorm::visit(Visitor& v) {
  v.param("weight", weight, ParamKind::norm_weight);
  v.param("bias", bias, ParamKind::bias);
}

std::string LayerNorm::label() const {
  return text("LayerNorm(features = ", options.features, options.affine ? ")" : ", affine = false)");
}

GroupNorm::GroupNorm(const GroupNormOptions& options) : options(options) {
  TSR_CHECK(options.groups > 0 && options.channels > 0 && options.channels % options.groups == 0,
            "GroupNorm: groups = ", options.groups, ", channels = ", options.channels,
            "; the first must divide the second");
  if (!options.affine) return;
  weight = Parameter(ones({options.channels}));
  bias = Parameter(zeros({options.channels}));
}

Tensor GroupNorm::operator()(const Tensor& x) const {
  TSR_CHECK(x.rank() >= 2 && x.size(-1) == options.channels, "GroupNorm: x ", describe(x),
            " is not [N, ..., ", options.channels, "]");
  std::int64_t places = 1;
  for (int axis = 1; axis + 1 < x.rank(); ++axis) places *= x.size(axis);
  const std::int64_t wide = options.channels / options.groups;
  const Tensor grouped = reshape(x, {x.size(0), places, options.groups, wide});
  const Tensor y = reshape(standardize(grouped, {1, 3}, options.epsilon), x.shape());
  return scale_and_shift(y, weight, bias);
}

void GroupNorm::visit(Visitor& v) {
  v.param("weight", weight, ParamKind::norm_weight);
  v.param("bias", bias, ParamKind::bias);
}

std::string GroupNorm::label() const {
  return text("GroupNorm(groups = ", options.groups, ", channels = ", options.channels,
              options.affine ? ")" : ", affine = false)");
}

}  // namespace tsr
