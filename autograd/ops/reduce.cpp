// Reductions: sum and max are ops with kernels, the others are composed of them.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kSum("sum", CastPolicy::full), kMax("max");

/// x's shape with the axes (all when empty) at size 1.
Shape kept_shape(const char* op, const Tensor& x, const Shape& axes) {
  Shape shape = x.shape();
  unsigned seen = 0;
  for (std::int64_t given : axes) {
    const int axis = normalize_axis(op, given, x.rank());
    TSR_CHECK(!((seen >> axis) & 1u), op, ": axis ", axis, " of ", describe(x), " is named twice");
    seen |= 1u << axis;
  }
  for (int axis = 0; axis < shape.rank(); ++axis)
    if (axes.empty() || ((seen >> axis) & 1u)) shape[axis] = 1;
  return shape;
}

/// The same without those axes.
Shape dropped_shape(const Tensor& x, const Shape& axes) {
  if (axes.empty()) return {};
  unsigned dropped = 0;
  for (std::int64_t axis : axes) dropped |= 1u << normalize_axis("reduce", axis, x.rank());
  Shape shape;
  for (int axis = 0; axis < x.rank(); ++axis)
    if (!((dropped >> axis) & 1u)) shape.push_back(x.shape()[axis]);
  return shape;
}

/// How many elements of x make up one of the result.
std::int64_t reduced_count(const Tensor& x, const Shape& kept) {
  std::int64_t count = 1;
  for (int axis = 0; axis < x.rank(); ++axis)
    if (kept[axis] == 1) count *= x.shape()[axis];
  return count;
}

/// Runs the kernel; the result has the kept shape, or is a view of it without the reduced axes.
Tensor run(Op& op, const UnaryKernel& kernel, const Tensor& x, const Shape& kept, const Shape& shape) {
  const Tensor y = op.empty(kept);
  kernel(op, x.view(), y.view());
  return y.as_strided(shape, dense_strides(shape), 0);
}

}  // namespace

Tensor sum(const Tensor& given_x, const Shape& axes, bool keepdim) {
  Op op(kSum, {given_x});
  const Tensor& x = op[0];
  const Shape kept = kept_shape("sum", x, axes);
  const Tensor y = run(op, sum_fwd, x, kept, keepdim ? kept : dropped_shape(x, axes));
  return op.record(y, [kept, from = x.shape()](const Tensor& grad, const Needs&) {
    return Tensors{broadcast_to(reshape(grad, kept), from)};
  });
}

Tensor mean(const Tensor& given_x, const Shape& axes, bool keepdim) {
  return composed(given_x, [&](const Tensor& x) {
    const auto count = static_cast<double>(reduced_count(x, kept_shape("mean", x, axes)));
    return sum(x, axes, keepdim) / count;
  });
}

Tensor max(const Tensor& x, const Shape& axes, bool keepdim) {
  Op op(kMax, {x});
  const Shape kept = kept_shape("max", x, axes);
  TSR_CHECK(kept.numel() == 0 || reduced_count(x, kept) > 0, "max: ", describe(x),
            " has nothing to reduce along axes ", axes, "; an empty set has no largest value");
  const Tensor y = run(op, max_fwd, x, kept, keepdim ? kept : dropped_shape(x, axes));
  return op.record(y, [kept, x = op.save(x), y = op.save(y)](const Tensor& grad, const Needs&) {
    const Tensor ties = cast(eq(x.get(), reshape(y.get(), kept).detach()), grad.dtype());
    Shape axes;
    for (int axis = 0; axis < kept.rank(); ++axis)
      if (kept[axis] != ties.shape()[axis]) axes.push_back(axis);
    const Tensor count = axes.empty() ? ties : sum(ties, axes, true);
    return Tensors{ties * (reshape(grad, kept) / count)};
  });
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const int extra = x.rank() - shape.rank();
  TSR_CHECK(extra >= 0 && broadcast_shapes("sum_to", x.shape(), shape) == x.shape(), "sum_to: ", shape,
            " doesn't broadcast to ", describe(x));
  Shape axes;
  for (int axis = 0; axis < x.rank(); ++axis)
    if (axis < extra || (shape[axis - extra] == 1 && x.shape()[axis] != 1)) axes.push_back(axis);
  return reshape(sum(x, axes, true), shape);
}

Tensor norm(const Tensor& given_x, const Shape& axes, bool keepdim) {
  return composed(given_x, [&](const Tensor& x) {
    const Tensor square = sum(x * x, axes, keepdim);
    // √ has no derivative at 0; the norm's subgradient there is 0
    const Tensor zero = eq(square, scalar(0, x.dtype(), x.device()));
    return masked_fill(sqrt(masked_fill(square, zero, 1)), zero, 0);
  });
}

Tensor var(const Tensor& given_x, const Shape& axes, bool keepdim, double correction) {
  const double count =
      static_cast<double>(reduced_count(given_x, kept_shape("var", given_x, axes))) - correction;
  TSR_CHECK(count > 0, "var: ", describe(given_x), " has ", count + correction, " elements along axes ", axes,
            ", too few for a correction of ", correction);
  return composed(given_x, [&](const Tensor& x) {
    const Tensor deviation = x - mean(x, axes, true);
    return sum(deviation * deviation, axes, keepdim) / count;
  });
}

}  // namespace tsr
