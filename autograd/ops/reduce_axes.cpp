#include "autograd/ops.h"
#include "autograd/ops/reduce.h"

namespace tsr {
namespace {

bool is_reduced(const Shape& axes, int axis, int rank) {
  bool found = axes.empty();
  for (std::int64_t given : axes) found = found || (given < 0 ? given + rank : given) == axis;
  return found;
}

/// The kept axes, then those that are reduced.
Shape reduced_last(const Shape& axes, int rank) {
  Shape order;
  for (const bool reduced : {false, true})
    for (int axis = 0; axis < rank; ++axis)
      if (is_reduced(axes, axis, rank) == reduced) order.push_back(axis);
  return order;
}

}  // namespace

Shape kept_shape(const char* op, const Tensor& x, const Shape& axes) {
  Shape shape = x.shape();
  unsigned seen = 0;
  for (std::int64_t given : axes) {
    const int axis = normalize_axis(op, given, x.rank());
    TSR_CHECK(!((seen >> axis) & 1u), op, ": axis ", axis, " of ", describe(x), " is named twice");
    seen |= 1u << axis;
  }
  for (int axis = 0; axis < shape.rank(); ++axis)
    if (is_reduced(axes, axis, x.rank())) shape[axis] = 1;
  return shape;
}

Shape dropped_shape(const Tensor& x, const Shape& axes) {
  Shape shape;
  for (int axis = 0; axis < x.rank(); ++axis)
    if (!is_reduced(axes, axis, x.rank())) shape.push_back(x.shape()[axis]);
  return shape;
}

std::int64_t reduced_count(const Tensor& x, const Shape& kept) {
  std::int64_t count = 1;
  for (int axis = 0; axis < x.rank(); ++axis)
    if (kept[axis] == 1) count *= x.shape()[axis];
  return count;
}

Tensor as_rows(const Tensor& x, const Shape& axes) {
  Shape shape = dropped_shape(x, axes);
  std::int64_t count = 1;
  for (int axis = 0; axis < x.rank(); ++axis)
    if (is_reduced(axes, axis, x.rank())) count *= x.shape()[axis];
  shape.push_back(count);
  return reshape(permute(x, reduced_last(axes, x.rank())), shape);
}

Tensor from_rows(const Tensor& rows, const Shape& shape, const Shape& axes) {
  const Shape order = reduced_last(axes, shape.rank());
  Shape permuted, inverse = order;
  for (int i = 0; i < order.rank(); ++i) {
    permuted.push_back(shape[static_cast<int>(order[i])]);
    inverse[static_cast<int>(order[i])] = i;
  }
  return permute(reshape(rows, permuted), inverse);
}

}  // namespace tsr
