// Parameters put on another scale before they are used.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

/// All axes but one.
Shape others(int rank, int axis) {
  Shape axes;
  for (int i = 0; i < rank; ++i)
    if (i != axis) axes.push_back(i);
  return axes;
}

}  // namespace

Tensor weight_standardize(const Tensor& weight, double epsilon) {
  TSR_CHECK(weight.rank() >= 2, "weight_standardize: ", describe(weight), " is not [out, ...]");
  const Shape axes = others(weight.rank(), 0);
  return composed(weight, [&](const Tensor& wide) {
    const Tensor centred = wide - mean(wide, axes, true);
    return centred * rsqrt(mean(square(centred), axes, true) + epsilon);
  });
}

Tensor weight_norm(const Tensor& v, const Tensor& g, std::int64_t axis) {
  TSR_CHECK(v.rank() >= 2, "weight_norm: v ", describe(v), " needs at least two axes");
  const int a = normalize_axis("weight_norm", axis, v.rank());
  TSR_CHECK(g.numel() == v.shape()[a], "weight_norm: g ", describe(g), " for axis ", a, " of v ", describe(v),
            "; it needs ", v.shape()[a], " elements");
  const Tensor length = norm(v, others(v.rank(), a), true);
  return v * (reshape(g, length.shape()) / length);
}

}  // namespace tsr
