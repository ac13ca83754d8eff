#include "nn/norms.h"

#include "autograd/ops.h"

namespace tsr {
LayerNorm::LayerNorm(const LayerNormOptions& options) : options(options) {
  TSR_CHECK(options.features > 0, "LayerNorm: features = ", options.features, "; must be positive");
  if (!options.affine) return;
  weight = Parameter(ones({options.features}));
  bias = Parameter(zeros({options.features}));
}

Tensor LayerNorm::operator()(const Tensor& x) const {
  TSR_CHECK(x.rank() >= 1 && x.size(-1) == options.features, "LayerNorm: x ", describe(x), " is not [..., ",
            options.features, "]");
  return layer_norm(x, {options.features}, weight, bias, options.epsilon);
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
  return group_norm(x, options.groups, weight, bias, options.epsilon);
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
