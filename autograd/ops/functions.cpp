// Exponentials, logarithms, trigonometry and the error function.
#include <numbers>

#include "autograd/ops/pointwise.h"

namespace tsr {
namespace {

const OpInfo kExp("exp", CastPolicy::full), kExp2("exp2", CastPolicy::full),
    kExpm1("expm1", CastPolicy::full), kLog("log", CastPolicy::full), kLog2("log2", CastPolicy::full),
    kLog10("log10", CastPolicy::full), kLog1p("log1p", CastPolicy::full), kSin("sin"), kCos("cos"),
    kTan("tan", CastPolicy::full), kAsin("asin", CastPolicy::full), kAcos("acos", CastPolicy::full),
    kAtan("atan"), kAtan2("atan2", CastPolicy::widest), kSinh("sinh", CastPolicy::full),
    kCosh("cosh", CastPolicy::full), kTanh("tanh"), kTanhBackward("tanh_backward"), kErf("erf"),
    kErfc("erfc");

constexpr double kLogOf2 = std::numbers::ln2, kLogOf10 = std::numbers::ln10;
constexpr double kErfSlope = 2 * std::numbers::inv_sqrtpi;  // of erf at 0

}  // namespace

Tensor exp(const Tensor& x) {
  return from_output(kExp, exp_fwd, x, [](const Tensor& grad, const Tensor& y) { return grad * y; });
}

Tensor exp2(const Tensor& x) {
  return from_output(kExp2, exp2_fwd, x,
                     [](const Tensor& grad, const Tensor& y) { return grad * (y * kLogOf2); });
}

Tensor expm1(const Tensor& x) {
  return from_output(kExpm1, expm1_fwd, x,
                     [](const Tensor& grad, const Tensor& y) { return grad * (y + 1.0); });
}

Tensor log(const Tensor& x) {
  return from_input(kLog, log_fwd, x, [](const Tensor& grad, const Tensor& x) { return grad / x; });
}

Tensor log2(const Tensor& x) {
  return from_input(kLog2, log2_fwd, x,
                    [](const Tensor& grad, const Tensor& x) { return grad / (x * kLogOf2); });
}

Tensor log10(const Tensor& x) {
  return from_input(kLog10, log10_fwd, x,
                    [](const Tensor& grad, const Tensor& x) { return grad / (x * kLogOf10); });
}

Tensor log1p(const Tensor& x) {
  return from_input(kLog1p, log1p_fwd, x,
                    [](const Tensor& grad, const Tensor& x) { return grad / (x + 1.0); });
}

Tensor sin(const Tensor& x) {
  return from_input(kSin, sin_fwd, x, [](const Tensor& grad, const Tensor& x) { return grad * cos(x); });
}

Tensor cos(const Tensor& x) {
  return from_input(kCos, cos_fwd, x, [](const Tensor& grad, const Tensor& x) { return neg(grad * sin(x)); });
}

Tensor tan(const Tensor& x) {
  return from_output(kTan, tan_fwd, x,
                     [](const Tensor& grad, const Tensor& y) { return grad * (square(y) + 1.0); });
}

Tensor asin(const Tensor& x) {
  return from_input(kAsin, asin_fwd, x,
                    [](const Tensor& grad, const Tensor& x) { return grad * rsqrt(1.0 - square(x)); });
}

Tensor acos(const Tensor& x) {
  return from_input(kAcos, acos_fwd, x,
                    [](const Tensor& grad, const Tensor& x) { return neg(grad * rsqrt(1.0 - square(x))); });
}

Tensor atan(const Tensor& x) {
  return from_input(kAtan, atan_fwd, x,
                    [](const Tensor& grad, const Tensor& x) { return grad / (square(x) + 1.0); });
}

Tensor atan2(const Tensor& given_y, const Tensor& given_x) {
  Op op(kAtan2, {given_y, given_x});
  const Tensor &y = op[0], &x = op[1];
  return op.record(run_binary(op, atan2_fwd, y, x),
                   [y = op.save(y), x = op.save(x)](const Tensor& grad, const Needs& needs) {
                     const Tensor up = y.get(), right = x.get(), distance = square(up) + square(right);
                     const Tensor part = grad / masked_fill(distance, eq(distance, 0), 1);
                     return Tensors{share(needs[0], up.shape(), [&] { return part * right; }),
                                    share(needs[1], right.shape(), [&] { return neg(part * up); })};
                   });
}

Tensor sinh(const Tensor& x) {
  return from_input(kSinh, sinh_fwd, x, [](const Tensor& grad, const Tensor& x) { return grad * cosh(x); });
}

Tensor cosh(const Tensor& x) {
  return from_input(kCosh, cosh_fwd, x, [](const Tensor& grad, const Tensor& x) { return grad * sinh(x); });
}

Tensor tanh(const Tensor& x) {
  return from_output(kTanh, tanh_fwd, x, [](const Tensor& grad, const Tensor& y) {
    return fused_backward(kTanhBackward, tanh_bwd, grad, y, [&] { return grad * (1.0 - y * y); });
  });
}

Tensor erf(const Tensor& x) {
  return from_input(kErf, erf_fwd, x, [](const Tensor& grad, const Tensor& x) {
    return grad * (exp(neg(square(x))) * kErfSlope);
  });
}

Tensor erfc(const Tensor& x) {
  return from_input(kErfc, erfc_fwd, x, [](const Tensor& grad, const Tensor& x) {
    return grad * (exp(neg(square(x))) * -kErfSlope);
  });
}

}  // namespace tsr
