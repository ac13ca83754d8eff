// Pointwise ops with broadcasting.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kAdd("add", CastPolicy::widest), kSub("sub", CastPolicy::widest),
    kMul("mul", CastPolicy::widest), kDiv("div", CastPolicy::widest), kMaximum("maximum", CastPolicy::widest),
    kMinimum("minimum", CastPolicy::widest), kNeg("neg"), kExp("exp", CastPolicy::full),
    kLog("log", CastPolicy::full), kSqrt("sqrt"), kAbs("abs"), kSign("sign"), kRelu("relu"),
    kReluBackward("relu_backward"), kSigmoid("sigmoid"), kTanh("tanh"), kWhere("where", CastPolicy::widest),
    kEq("eq", CastPolicy::widest), kLt("lt", CastPolicy::widest), kLe("le", CastPolicy::widest),
    kCast("cast");

Tensor run(Op& op, const UnaryKernel& kernel, const Tensor& x) {
  Tensor y = op.empty(x.shape());
  kernel(op, x.view(), y.view());
  return y;
}

Tensor run(Op& op, const BinaryKernel& kernel, const Tensor& a, const Tensor& b) {
  Tensor y = op.empty(broadcast_shapes(op.name(), a.shape(), b.shape()));
  kernel(op, a.view(), b.view(), y.view());
  return y;
}

/// The gradient of one operand, summed over what broadcasting repeated; undefined when not needed.
template <class Gradient>
Tensor share(bool needed, const Shape& shape, Gradient&& gradient) {
  return needed ? sum_to(gradient(), shape) : Tensor();
}

/// Maximum and minimum: `first_wins(a, b)` tells where a is the result. Ties share the gradient.
Tensor extremum(const OpInfo& info, const BinaryKernel& kernel, const Tensor& given_a,
                const Tensor& given_b) {
  Op op(info, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  Tensor y = run(op, kernel, a, b);
  return op.record(y,
                   [a = op.save(a), b = op.save(b), y = op.save(y)](const Tensor& grad, const Needs& needs) {
                     const Tensor is_a = cast(eq(a.get(), y.get()), grad.dtype()),
                                  is_b = cast(eq(b.get(), y.get()), grad.dtype());
                     const Tensor part = grad / (is_a + is_b);
                     return Tensors{share(needs[0], a.get().shape(), [&] { return part * is_a; }),
                                    share(needs[1], b.get().shape(), [&] { return part * is_b; })};
                   });
}

Tensor compare(const OpInfo& info, const BinaryKernel& kernel, const Tensor& given_a, const Tensor& given_b) {
  Op op(info, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  TSR_CHECK(a.dtype() == b.dtype(), info.name, ": ", describe(a), " and ", describe(b),
            " differ in dtype; convert one with cast()");
  Tensor y = op.empty(broadcast_shapes(info.name, a.shape(), b.shape()), boolean);
  kernel(op, a.view(), b.view(), y.view());
  return y;
}

/// relu's gradient as an op of its own: linear in grad, so that it can be differentiated again.
Tensor relu_backward(const Tensor& grad, const Tensor& y) {
  Op op(kReluBackward, {grad, y.detach()});
  Tensor grad_x = run(op, relu_bwd, grad, y);
  return op.record(grad_x, [y = op.save(y.detach())](const Tensor& second, const Needs&) {
    return Tensors{relu_backward(second, y.get()), {}};
  });
}

}  // namespace

Tensor add(const Tensor& given_a, const Tensor& given_b) {
  Op op(kAdd, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  return op.record(
      run(op, add_fwd, a, b), [sa = a.shape(), sb = b.shape()](const Tensor& grad, const Needs& needs) {
        return Tensors{share(needs[0], sa, [&] { return grad; }), share(needs[1], sb, [&] { return grad; })};
      });
}

Tensor sub(const Tensor& given_a, const Tensor& given_b) {
  Op op(kSub, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  return op.record(run(op, sub_fwd, a, b), [sa = a.shape(), sb = b.shape()](const Tensor& grad,
                                                                            const Needs& needs) {
    return Tensors{share(needs[0], sa, [&] { return grad; }), share(needs[1], sb, [&] { return neg(grad); })};
  });
}

Tensor mul(const Tensor& given_a, const Tensor& given_b) {
  Op op(kMul, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  return op.record(run(op, mul_fwd, a, b),
                   [a = op.save(a), b = op.save(b)](const Tensor& grad, const Needs& needs) {
                     const Tensor left = a.get(), right = b.get();
                     return Tensors{share(needs[0], left.shape(), [&] { return grad * right; }),
                                    share(needs[1], right.shape(), [&] { return grad * left; })};
                   });
}

Tensor div(const Tensor& given_a, const Tensor& given_b) {
  Op op(kDiv, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  return op.record(
      run(op, div_fwd, a, b), [a = op.save(a), b = op.save(b)](const Tensor& grad, const Needs& needs) {
        const Tensor left = a.get(), right = b.get();
        return Tensors{share(needs[0], left.shape(), [&] { return grad / right; }),
                       share(needs[1], right.shape(), [&] { return neg(grad * left / (right * right)); })};
      });
}

Tensor maximum(const Tensor& a, const Tensor& b) { return extremum(kMaximum, maximum_fwd, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return extremum(kMinimum, minimum_fwd, a, b); }

Tensor neg(const Tensor& x) {
  Op op(kNeg, {x});
  return op.record(run(op, neg_fwd, x), [](const Tensor& grad, const Needs&) { return Tensors{neg(grad)}; });
}

Tensor exp(const Tensor& x) {
  Op op(kExp, {x});
  Tensor y = run(op, exp_fwd, op[0]);
  return op.record(y, [y = op.save(y)](const Tensor& grad, const Needs&) { return Tensors{grad * y.get()}; });
}

Tensor log(const Tensor& given_x) {
  Op op(kLog, {given_x});
  const Tensor& x = op[0];
  return op.record(run(op, log_fwd, x),
                   [x = op.save(x)](const Tensor& grad, const Needs&) { return Tensors{grad / x.get()}; });
}

Tensor sqrt(const Tensor& x) {
  Op op(kSqrt, {x});
  Tensor y = run(op, sqrt_fwd, x);
  return op.record(
      y, [y = op.save(y)](const Tensor& grad, const Needs&) { return Tensors{grad / (y.get() * 2.0)}; });
}

Tensor abs(const Tensor& x) {
  Op op(kAbs, {x});
  return op.record(run(op, abs_fwd, x), [x = op.save(x)](const Tensor& grad, const Needs&) {
    return Tensors{grad * sign(x.get())};
  });
}

Tensor sign(const Tensor& x) {
  Op op(kSign, {x});
  return op.record(run(op, sign_fwd, x),
                   [](const Tensor& grad, const Needs&) { return Tensors{grad * 0.0}; });
}

Tensor relu(const Tensor& x) {
  Op op(kRelu, {x});
  Tensor y = run(op, relu_fwd, x);
  return op.record(y, [y = op.save(y)](const Tensor& grad, const Needs&) {
    return Tensors{relu_backward(grad, y.get())};
  });
}

Tensor sigmoid(const Tensor& x) {
  Op op(kSigmoid, {x});
  Tensor y = run(op, sigmoid_fwd, x);
  return op.record(y, [y = op.save(y)](const Tensor& grad, const Needs&) {
    return Tensors{grad * y.get() * (1.0 - y.get())};
  });
}

Tensor tanh(const Tensor& x) {
  Op op(kTanh, {x});
  Tensor y = run(op, tanh_fwd, x);
  return op.record(y, [y = op.save(y)](const Tensor& grad, const Needs&) {
    return Tensors{grad * (1.0 - y.get() * y.get())};
  });
}

Tensor where(const Tensor& condition, const Tensor& given_a, const Tensor& given_b) {
  Op op(kWhere, {given_a, given_b, condition});
  const Tensor &a = op[0], &b = op[1];
  TSR_CHECK(condition.dtype() == boolean, "where: the condition is ", describe(condition),
            ", not bool; compare first, as in eq(x, y)");
  TSR_CHECK(a.dtype() == b.dtype(), "where: ", describe(a), " and ", describe(b), " differ in dtype");
  const Shape both = broadcast_shapes("where", a.shape(), b.shape());
  Tensor y = op.empty(broadcast_shapes("where", both, condition.shape()));
  where_fwd(op, a.view(), b.view(), condition.view(), y.view());
  return op.record(y, [condition = op.save(condition), sa = a.shape(), sb = b.shape()](const Tensor& grad,
                                                                                       const Needs& needs) {
    const Tensor zero = scalar(0, grad.dtype(), grad.device());
    return Tensors{share(needs[0], sa, [&] { return where(condition.get(), grad, zero); }),
                   share(needs[1], sb, [&] { return where(condition.get(), zero, grad); }),
                   {}};
  });
}

Tensor eq(const Tensor& a, const Tensor& b) { return compare(kEq, eq_fwd, a, b); }
Tensor lt(const Tensor& a, const Tensor& b) { return compare(kLt, lt_fwd, a, b); }
Tensor le(const Tensor& a, const Tensor& b) { return compare(kLe, le_fwd, a, b); }

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  return where(mask, scalar(value, x.dtype(), x.device()), x);
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

}  // namespace tsr
