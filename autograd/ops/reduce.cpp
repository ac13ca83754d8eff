// Reductions over any axes.
#include "autograd/ops/reduce.h"

#include "autograd/ops/pointwise.h"

namespace tsr {
namespace {

const OpInfo kSum("sum", CastPolicy::full), kProd("prod", CastPolicy::full), kMax("max"), kMin("min"),
    kArgmax("argmax"), kArgmin("argmin"), kAny("any"), kAll("all");

/// Runs the kernel; the result has the kept shape, or is a view of it without the reduced axes.
Tensor run(Op& op, const UnaryKernel& kernel, const Tensor& x, const Shape& axes, bool keepdim, DType dtype) {
  check_dtype(op.name(), kernel, x);
  const Tensor y = op.empty(kept_shape(op.name(), x, axes), dtype);
  kernel(op, x.view(), y.view());
  const Shape shape = keepdim ? y.shape() : dropped_shape(x, axes);
  return y.as_strided(shape, dense_strides(shape), 0);
}

/// What sums and products of x are kept in.
DType total_dtype(const Tensor& x) { return is_floating(x.dtype()) ? x.dtype() : int64; }

void check_not_empty(const char* op, const Tensor& x, const Shape& axes, const char* what) {
  const Shape kept = kept_shape(op, x, axes);
  TSR_CHECK(kept.numel() == 0 || reduced_count(x, kept) > 0, op, ": ", describe(x),
            " has nothing to reduce along axes ", axes, "; an empty set has no ", what, " value");
}

/// max and min; ties share the gradient evenly.
Tensor extremum(const OpInfo& info, const UnaryKernel& kernel, const char* what, const Tensor& x,
                const Shape& axes, bool keepdim) {
  Op op(info, {x});
  check_not_empty(info.name, x, axes, what);
  const Tensor y = run(op, kernel, x, axes, keepdim, x.dtype());
  return op.record(y, [axes, kept = kept_shape(info.name, x, axes), x = op.save(x), y = op.save(y)](
                          const Tensor& grad, const Needs&) {
    const Tensor ties = cast(eq(x.get(), reshape(y.get(), kept).detach()), grad.dtype());
    return Tensors{ties * (reshape(grad, kept) / sum(ties, axes, true))};
  });
}

Tensor position(const OpInfo& info, const UnaryKernel& kernel, const char* what, const Tensor& x,
                std::int64_t axis, bool keepdim) {
  Op op(info, {x});
  check_not_empty(info.name, x, {axis}, what);
  return run(op, kernel, x, {axis}, keepdim, int64);
}

Tensor quantifier(const OpInfo& info, const UnaryKernel& kernel, const Tensor& x, const Shape& axes,
                  bool keepdim) {
  Op op(info, {x});
  TSR_CHECK(x.dtype() == boolean, info.name, ": ", describe(x),
            " is not bool; compare first, as in ne(x, 0)");
  return run(op, kernel, x, axes, keepdim, boolean);
}

/// For each element of rows [..., n] the product of the others, times grad [..., 1]. No division: a tree of
/// pairs is multiplied up, and walked down with the siblings' products, so that zeros are nothing special,
/// here and in all further derivatives.
Tensor products_of_others(const Tensor& rows, const Tensor& grad) {
  Tensors levels{rows};
  while (levels.back().size(-1) > 1) {
    const Tensor& x = levels.back();
    const std::int64_t n = x.size(-1), half = n / 2;
    Tensor pairs = slice(x, -1, 0, half) * slice(x, -1, half, 2 * half);
    levels.push_back(n % 2 == 0 ? pairs : concat({pairs, slice(x, -1, n - 1, n)}, -1));
  }
  Tensor outside = grad;  // of each node, the product of all that lies outside of it
  for (std::size_t level = levels.size() - 1; level-- > 0;) {
    const Tensor& x = levels[level];
    const std::int64_t n = x.size(-1), half = n / 2;
    const Tensor of_pairs = slice(outside, -1, 0, half);
    Tensors parts{of_pairs * slice(x, -1, half, 2 * half), of_pairs * slice(x, -1, 0, half)};
    if (n % 2 != 0) parts.push_back(slice(outside, -1, half, half + 1));
    outside = concat(parts, -1);
  }
  return outside;
}

}  // namespace

Tensor sum(const Tensor& given_x, const Shape& axes, bool keepdim) {
  Op op(kSum, {given_x});
  const Tensor& x = op[0];
  const Tensor y = run(op, sum_fwd, x, axes, keepdim, total_dtype(x));
  return op.record(y,
                   [kept = kept_shape("sum", x, axes), from = x.shape()](const Tensor& grad, const Needs&) {
                     return Tensors{broadcast_to(reshape(grad, kept), from)};
                   });
}

Tensor mean(const Tensor& given_x, const Shape& axes, bool keepdim) {
  TSR_CHECK(is_floating(given_x.dtype()), "mean: ", describe(given_x),
            " is not floating; convert it with cast(x, float32)");
  return composed(given_x, [&](const Tensor& x) {
    const auto count = static_cast<double>(reduced_count(x, kept_shape("mean", x, axes)));
    return sum(x, axes, keepdim) / count;
  });
}

Tensor prod(const Tensor& given_x, const Shape& axes, bool keepdim) {
  Op op(kProd, {given_x});
  const Tensor& x = op[0];
  const Tensor y = run(op, prod_fwd, x, axes, keepdim, total_dtype(x));
  return op.record(y, [axes, x = op.save(x)](const Tensor& grad, const Needs&) {
    const Tensor point = x.get(), rows = as_rows(point, axes);
    if (point.numel() == 0) return Tensors{flat(point)};
    Shape column = rows.shape();
    column[column.rank() - 1] = 1;
    return Tensors{from_rows(products_of_others(rows, reshape(grad, column)), point.shape(), axes)};
  });
}

Tensor max(const Tensor& x, const Shape& axes, bool keepdim) {
  return extremum(kMax, max_fwd, "largest", x, axes, keepdim);
}
Tensor min(const Tensor& x, const Shape& axes, bool keepdim) {
  return extremum(kMin, min_fwd, "smallest", x, axes, keepdim);
}
Tensor argmax(const Tensor& x, std::int64_t axis, bool keepdim) {
  return position(kArgmax, argmax_fwd, "largest", x, axis, keepdim);
}
Tensor argmin(const Tensor& x, std::int64_t axis, bool keepdim) {
  return position(kArgmin, argmin_fwd, "smallest", x, axis, keepdim);
}

Tensor any(const Tensor& x, const Shape& axes, bool keepdim) {
  return quantifier(kAny, any_fwd, x, axes, keepdim);
}
Tensor all(const Tensor& x, const Shape& axes, bool keepdim) {
  return quantifier(kAll, all_fwd, x, axes, keepdim);
}
Tensor count_nonzero(const Tensor& x, const Shape& axes, bool keepdim) {
  return sum(ne(x, 0), axes, keepdim);
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

}  // namespace tsr
