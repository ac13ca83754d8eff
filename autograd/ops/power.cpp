// Powers and roots.
#include "autograd/ops/pointwise.h"

namespace tsr {
namespace {

const OpInfo kSquare("square"), kSqrt("sqrt"), kRsqrt("rsqrt", CastPolicy::full),
    kReciprocal("reciprocal", CastPolicy::full), kPow("pow", CastPolicy::full),
    kPowScalar("pow_scalar", CastPolicy::full);

/// b·a^(b-1); 0 at 0^0, where a^0 is constant.
Tensor base_slope(const Tensor& a, const Tensor& b) {
  const Tensor constant = logical_and(eq(a, 0), eq(b, 0));
  return masked_fill(b * pow(masked_fill(a, constant, 1), b - 1.0), constant, 0);
}

/// a^b·log a, with y = a^b; its limit 0 where a is 0 and b isn't negative.
Tensor exponent_slope(const Tensor& a, const Tensor& b, const Tensor& y) {
  const Tensor constant = logical_and(eq(a, 0), ge(b, 0));
  return masked_fill(y * log(masked_fill(a, constant, 1)), constant, 0);
}

}  // namespace

Tensor square(const Tensor& x) {
  return from_input(kSquare, square_fwd, x,
                    [](const Tensor& grad, const Tensor& x) { return grad * (x * 2.0); });
}

Tensor sqrt(const Tensor& x) {
  return from_output(kSqrt, sqrt_fwd, x,
                     [](const Tensor& grad, const Tensor& y) { return grad / (y * 2.0); });
}

Tensor rsqrt(const Tensor& x) {
  return from_output(kRsqrt, rsqrt_fwd, x,
                     [](const Tensor& grad, const Tensor& y) { return grad * (y * y * y * -0.5); });
}

Tensor reciprocal(const Tensor& x) {
  return from_output(kReciprocal, reciprocal_fwd, x,
                     [](const Tensor& grad, const Tensor& y) { return neg(grad * y * y); });
}

Tensor pow(const Tensor& given_a, const Tensor& given_b) {
  Op op(kPow, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  const Tensor y = run_binary(op, pow_fwd, a, b);
  return op.record(
      y, [a = op.save(a), b = op.save(b), y = op.save(y)](const Tensor& grad, const Needs& needs) {
        const Tensor base = a.get(), exponent = b.get();
        return Tensors{share(needs[0], base.shape(), [&] { return grad * base_slope(base, exponent); }),
                       share(needs[1], exponent.shape(),
                             [&] { return grad * exponent_slope(base, exponent, y.get()); })};
      });
}

Tensor pow(const Tensor& given_x, double exponent) {
  Op op(kPowScalar, {given_x});
  const Tensor& x = op[0];
  check_dtype("pow", pow_scalar_fwd, x);
  const Tensor y = op.empty(x.shape());
  pow_scalar_fwd(op, x.view(), y.view(), exponent);
  return op.record(y, [x = op.save(x), exponent](const Tensor& grad, const Needs&) {
    if (exponent == 0) return Tensors{flat(grad)};
    return Tensors{grad * (pow(x.get(), exponent - 1) * exponent)};
  });
}

}  // namespace tsr
