// Arithmetic and rounding, with broadcasting.
#include <limits>

#include "autograd/ops/pointwise.h"

namespace tsr {
namespace {

const OpInfo kAdd("add", CastPolicy::widest), kSub("sub", CastPolicy::widest),
    kMul("mul", CastPolicy::widest), kDiv("div", CastPolicy::widest), kMaximum("maximum", CastPolicy::widest),
    kMinimum("minimum", CastPolicy::widest), kNeg("neg"), kAbs("abs"), kSign("sign"), kFloor("floor"),
    kCeil("ceil"), kRound("round"), kTrunc("trunc"), kFmod("fmod", CastPolicy::widest),
    kRemainder("remainder", CastPolicy::widest), kClamp("clamp"), kCast("cast");

/// Maximum and minimum. Ties share the gradient.
Tensor extremum(const OpInfo& info, const BinaryKernel& kernel, const Tensor& given_a,
                const Tensor& given_b) {
  Op op(info, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  Tensor y = run_binary(op, kernel, a, b);
  return op.record(y,
                   [a = op.save(a), b = op.save(b), y = op.save(y)](const Tensor& grad, const Needs& needs) {
                     const Tensor is_a = cast(eq(a.get(), y.get()), grad.dtype()),
                                  is_b = cast(eq(b.get(), y.get()), grad.dtype());
                     const Tensor part = grad / (is_a + is_b);
                     return Tensors{share(needs[0], a.get().shape(), [&] { return part * is_a; }),
                                    share(needs[1], b.get().shape(), [&] { return part * is_b; })};
                   });
}

/// What is flat between its steps.
Tensor step_function(const OpInfo& info, const UnaryKernel& kernel, const Tensor& x) {
  Op op(info, {x});
  return op.record(run_unary(op, kernel, x),
                   [](const Tensor& grad, const Needs&) { return Tensors{flat(grad)}; });
}

/// fmod and remainder: a - b·q, where the whole number q is constant almost everywhere.
Tensor division_rest(const OpInfo& info, const BinaryKernel& kernel, const Tensor& given_a,
                     const Tensor& given_b) {
  Op op(info, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  const Tensor y = run_binary(op, kernel, a, b);
  return op.record(
      y, [a = op.save(a), b = op.save(b), y = op.save(y)](const Tensor& grad, const Needs& needs) {
        const Tensor left = a.get().detach(), right = b.get().detach();
        return Tensors{
            share(needs[0], left.shape(), [&] { return grad; }),
            share(needs[1], right.shape(), [&] { return grad * round((y.get().detach() - left) / right); })};
      });
}

}  // namespace

Tensor add(const Tensor& given_a, const Tensor& given_b) {
  Op op(kAdd, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  return op.record(run_binary(op, add_fwd, a, b), [sa = a.shape(), sb = b.shape()](const Tensor& grad,
                                                                                   const Needs& needs) {
    return Tensors{share(needs[0], sa, [&] { return grad; }), share(needs[1], sb, [&] { return grad; })};
  });
}

Tensor sub(const Tensor& given_a, const Tensor& given_b) {
  Op op(kSub, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  return op.record(run_binary(op, sub_fwd, a, b), [sa = a.shape(), sb = b.shape()](const Tensor& grad,
                                                                                   const Needs& needs) {
    return Tensors{share(needs[0], sa, [&] { return grad; }), share(needs[1], sb, [&] { return neg(grad); })};
  });
}

Tensor mul(const Tensor& given_a, const Tensor& given_b) {
  Op op(kMul, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  return op.record(run_binary(op, mul_fwd, a, b),
                   [a = op.save(a), b = op.save(b)](const Tensor& grad, const Needs& needs) {
                     const Tensor left = a.get(), right = b.get();
                     return Tensors{share(needs[0], left.shape(), [&] { return grad * right; }),
                                    share(needs[1], right.shape(), [&] { return grad * left; })};
                   });
}

Tensor div(const Tensor& given_a, const Tensor& given_b) {
  Op op(kDiv, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  return op.record(run_binary(op, div_fwd, a, b), [a = op.save(a), b = op.save(b)](const Tensor& grad,
                                                                                   const Needs& needs) {
    const Tensor left = a.get(), right = b.get();
    return Tensors{share(needs[0], left.shape(), [&] { return grad / right; }),
                   share(needs[1], right.shape(), [&] { return neg(grad * left / (right * right)); })};
  });
}

Tensor maximum(const Tensor& a, const Tensor& b) { return extremum(kMaximum, maximum_fwd, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return extremum(kMinimum, minimum_fwd, a, b); }

Tensor neg(const Tensor& x) {
  Op op(kNeg, {x});
  return op.record(run_unary(op, neg_fwd, x),
                   [](const Tensor& grad, const Needs&) { return Tensors{neg(grad)}; });
}

Tensor abs(const Tensor& x) {
  return from_input(kAbs, abs_fwd, x, [](const Tensor& grad, const Tensor& x) { return grad * sign(x); });
}

Tensor sign(const Tensor& x) { return step_function(kSign, sign_fwd, x); }
Tensor floor(const Tensor& x) { return step_function(kFloor, floor_fwd, x); }
Tensor ceil(const Tensor& x) { return step_function(kCeil, ceil_fwd, x); }
Tensor round(const Tensor& x) { return step_function(kRound, round_fwd, x); }
Tensor trunc(const Tensor& x) { return step_function(kTrunc, trunc_fwd, x); }

Tensor fmod(const Tensor& a, const Tensor& b) { return division_rest(kFmod, fmod_fwd, a, b); }
Tensor remainder(const Tensor& a, const Tensor& b) { return division_rest(kRemainder, remainder_fwd, a, b); }

Tensor clamp(const Tensor& x, std::optional<double> low, std::optional<double> high) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  TSR_CHECK(low || high, "clamp: neither bound is given; give one of them at least");
  const double least = low.value_or(-inf), most = high.value_or(inf);
  TSR_CHECK(least <= most, "clamp: the bounds are ", least, " and ", most, "; low must not exceed high");
  Op op(kClamp, {x});
  check_dtype("clamp", clamp_fwd, x);
  const Tensor y = op.empty(x.shape());
  clamp_fwd(op, x.view(), y.view(), least, most);
  return op.record(y, [x = op.save(x), least, most](const Tensor& grad, const Needs&) {
    const Tensor point = x.get().detach(), inside = logical_and(gt(point, least), lt(point, most));
    return Tensors{where(inside, grad, scalar_like(0, grad))};
  });
}

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Op op(kCast, {x});
  Tensor y = op.empty(x.shape(), dtype);
  copy_fwd(op, x.view(), y.view());
  if (!is_floating(dtype)) return y;
  return op.record(
      y, [from = x.dtype()](const Tensor& grad, const Needs&) { return Tensors{cast(grad, from)}; });
}

Tensor scalar_like(double value, const Tensor& x) {
  Tensor number = scalar(value, x.dtype(), x.device());
  TSR_CHECK(is_floating(x.dtype()) || number.item() == value, "scalar_like: ", value, " is no ", x.dtype(),
            ", as ", describe(x), " is; convert that with cast(x, float32)");
  return number;
}

}  // namespace tsr
