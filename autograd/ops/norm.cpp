// Norms, variance and its root.
#include <cmath>

#include "autograd/ops/pointwise.h"
#include "autograd/ops/reduce.h"

namespace tsr {
namespace {

const OpInfo kNorm("norm", CastPolicy::full);

/// x^p for x ≥ 0 with 0 < p < 1, whose infinite gradient at 0 is taken as 0.
Tensor root(const Tensor& x, double p) {
  const Tensor zero = eq(x, 0);
  return masked_fill(pow(masked_fill(x, zero, 1), p), zero, 0);
}

Tensor euclidean(const Tensor& given_x, const Shape& axes, bool keepdim) {
  Op op(kNorm, {given_x});
  const Tensor& x = op[0];
  check_dtype("norm", norm_fwd, x);
  const Shape kept = kept_shape("norm", x, axes), shape = keepdim ? kept : dropped_shape(x, axes);
  const Tensor length = op.empty(kept), y = length.as_strided(shape, dense_strides(shape), 0);
  norm_fwd(op, x.view(), length.view());
  return op.record(y, [kept, x = op.save(x), y = op.save(y)](const Tensor& grad, const Needs&) {
    const Tensor length = reshape(y.get(), kept), zero = eq(length, 0);
    const Tensor scale = masked_fill(reshape(grad, kept), zero, 0) / masked_fill(length, zero, 1);
    return Tensors{x.get() * scale};
  });
}

/// m·(Σ(|x|/m)^p)^(1/p), with m the largest |x|, so that no power leaves the dtype's range. The result
/// doesn't depend on m, which is therefore held constant.
Tensor general(const Tensor& x, const Shape& axes, bool keepdim, double p) {
  const Tensor size = abs(x);
  if (reduced_count(x, kept_shape("norm", x, axes)) == 0) return sum(size, axes, keepdim);
  Tensor largest = max(size.detach(), axes, true);
  largest = masked_fill(largest, logical_not(logical_and(gt(largest, 0), isfinite(largest))), 1);
  const Tensor total = sum(pow(size / largest, p), axes, true);
  const Tensor y = root(total, 1 / p) * largest;
  return keepdim ? y : reshape(y, dropped_shape(x, axes));
}

}  // namespace

Tensor norm(const Tensor& x, const Shape& axes, bool keepdim, double p) {
  TSR_CHECK(p >= 1, "norm: p is ", p, "; it must be 1 or more (or infinity)");
  if (p == 2) return euclidean(x, axes, keepdim);
  TSR_CHECK(is_floating(x.dtype()), "norm: ", describe(x),
            " is not floating; convert it with cast(x, float32)");
  if (p == 1) return sum(abs(x), axes, keepdim);
  if (std::isinf(p)) return max(abs(x), axes, keepdim);
  return composed(x, [&](const Tensor& wide) { return general(wide, axes, keepdim, p); });
}

Tensor var(const Tensor& given_x, const Shape& axes, bool keepdim, double correction) {
  const double count =
      static_cast<double>(reduced_count(given_x, kept_shape("var", given_x, axes))) - correction;
  TSR_CHECK(count > 0, "var: ", describe(given_x), " has ", count + correction, " elements along axes ", axes,
            ", too few for a correction of ", correction);
  return composed(
      given_x, [&](const Tensor& x) { return sum(square(x - mean(x, axes, true)), axes, keepdim) / count; });
}

Tensor stddev(const Tensor& x, const Shape& axes, bool keepdim, double correction) {
  return composed(x, [&](const Tensor& wide) { return root(var(wide, axes, keepdim, correction), 0.5); });
}

}  // namespace tsr
