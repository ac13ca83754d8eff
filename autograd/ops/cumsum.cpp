// Cumulative sums.
#include "autograd/ops/pointwise.h"

namespace tsr {
namespace {

const OpInfo kCumsum("cumsum", CastPolicy::full);

/// x, dense, with everything before and after the axis merged.
Tensor outer_axis_inner(const Tensor& x, int axis) {
  Shape shape{1, x.shape()[axis], 1};
  for (int i = 0; i < axis; ++i) shape[0] *= x.shape()[i];
  for (int i = axis + 1; i < x.rank(); ++i) shape[2] *= x.shape()[i];
  const Tensor dense = x.is_contiguous() ? x : x.clone();
  return dense.as_strided(shape, dense_strides(shape), dense.offset());
}

}  // namespace

Tensor cumsum(const Tensor& given_x, std::int64_t axis, bool reverse) {
  Op op(kCumsum, {given_x});
  const Tensor& x = op[0];
  const int a = normalize_axis("cumsum", axis, x.rank());
  check_dtype("cumsum", cumsum_fwd, x);
  const Tensor y = op.empty(x.shape());
  cumsum_fwd(op, outer_axis_inner(x, a).view(), outer_axis_inner(y, a).view(), reverse);
  return op.record(
      y, [a, reverse](const Tensor& grad, const Needs&) { return Tensors{cumsum(grad, a, !reverse)}; });
}

}  // namespace tsr
