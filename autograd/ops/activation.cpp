// Activations.
#include <numbers>

#include "autograd/ops/pointwise.h"

namespace tsr {
namespace {

const OpInfo kRelu("relu"), kReluBackward("relu_backward"), kSigmoid("sigmoid"),
    kSigmoidBackward("sigmoid_backward"), kLeakyRelu("leaky_relu"), kElu("elu"), kGelu("gelu"),
    kGeluBackward("gelu_backward"), kGeluTanh("gelu_tanh"), kGeluTanhBackward("gelu_tanh_backward"),
    kSilu("silu"), kSiluBackward("silu_backward"), kSoftplus("softplus", CastPolicy::full);

Tensor run(Op& op, const ScalarKernel& kernel, const Tensor& x, double number) {
  check_dtype(op.name(), kernel, x);
  Tensor y = op.empty(x.shape());
  kernel(op, x.view(), y.view(), number);
  return y;
}

/// f(x), in x's dtype also under autocast; in low precision rounded at the end alone.
template <class F>
Tensor rounded_once(const Tensor& x, F&& f) {
  return cast(f(cast(x, compute_dtype(x.dtype()))), x.dtype());
}

/// relu's gradient as an op of its own: linear in grad, so that it can be differentiated again.
Tensor relu_backward(const Tensor& grad, const Tensor& y) {
  Op op(kReluBackward, {grad, y.detach()});
  const Tensor grad_x = run_binary(op, relu_bwd, grad, y);
  return op.record(grad_x, [y = op.save(y.detach())](const Tensor& second, const Needs&) {
    return Tensors{relu_backward(second, y.get()), {}};
  });
}

/// Φ(x) + x·φ(x).
Tensor gelu_slope(const Tensor& x) {
  const double density = std::numbers::inv_sqrtpi / std::numbers::sqrt2;
  return erfc(x * (-1 / std::numbers::sqrt2)) * 0.5 + x * exp(square(x) * -0.5) * density;
}

/// With t = tanh u and u = c·(x + 0.044715·x³): (1 + t)/2 + x·(1 - t²)·u'/2.
Tensor gelu_tanh_slope(const Tensor& x) {
  const double c = std::numbers::sqrt2 * std::numbers::inv_sqrtpi, inner = 0.044715;
  const Tensor t = tanh((x + x * square(x) * inner) * c), slope = (square(x) * (3 * inner) + 1.0) * c;
  return (t + 1.0 + x * (1.0 - square(t)) * slope) * 0.5;
}

Tensor gelu_erf(const Tensor& x) {
  return from_input(kGelu, gelu_fwd, x, [](const Tensor& grad, const Tensor& x) {
    return fused_backward(kGeluBackward, gelu_bwd, grad, x, [&] { return grad * gelu_slope(x); });
  });
}

Tensor gelu_tanh(const Tensor& x) {
  return from_input(kGeluTanh, gelu_tanh_fwd, x, [](const Tensor& grad, const Tensor& x) {
    return fused_backward(kGeluTanhBackward, gelu_tanh_bwd, grad, x,
                          [&] { return grad * gelu_tanh_slope(x); });
  });
}

}  // namespace

Tensor relu(const Tensor& x) { return from_output(kRelu, relu_fwd, x, relu_backward); }

Tensor sigmoid(const Tensor& x) {
  return from_output(kSigmoid, sigmoid_fwd, x, [](const Tensor& grad, const Tensor& y) {
    return fused_backward(kSigmoidBackward, sigmoid_bwd, grad, y, [&] { return grad * y * (1.0 - y); });
  });
}

Tensor logsigmoid(const Tensor& x) { return neg(softplus(neg(x))); }

Tensor leaky_relu(const Tensor& x, double slope) {
  Op op(kLeakyRelu, {x});
  return op.record(run(op, leaky_relu_fwd, x, slope),
                   [x = op.save(x), slope](const Tensor& grad, const Needs&) {
                     return Tensors{where(gt(x.get().detach(), 0), grad, grad * slope)};
                   });
}

Tensor elu(const Tensor& x, double alpha) {
  Op op(kElu, {x});
  TSR_CHECK(alpha >= 0, "elu: alpha is ", alpha, "; it must not be negative");
  const Tensor y = run(op, elu_fwd, x, alpha);
  return op.record(y, [y = op.save(y), alpha](const Tensor& grad, const Needs&) {
    return Tensors{where(gt(y.get().detach(), 0), grad, grad * (y.get() + alpha))};
  });
}

Tensor selu(const Tensor& x) {
  constexpr double alpha = 1.6732632423543772848, scale = 1.0507009873554804934;
  return elu(x, alpha) * scale;
}

Tensor gelu(const Tensor& x, GeluForm form) { return form == GeluForm::erf ? gelu_erf(x) : gelu_tanh(x); }

Tensor silu(const Tensor& x) {
  return from_input(kSilu, silu_fwd, x, [](const Tensor& grad, const Tensor& x) {
    return fused_backward(kSiluBackward, silu_bwd, grad, x, [&] {
      const Tensor s = sigmoid(x);
      return grad * (s * (x * (1.0 - s) + 1.0));
    });
  });
}

Tensor softplus(const Tensor& x, double beta) {
  if (beta != 1) return softplus(x * beta) / beta;
  return from_input(kSoftplus, softplus_fwd, x,
                    [](const Tensor& grad, const Tensor& x) { return grad * sigmoid(x); });
}

Tensor mish(const Tensor& x) {
  return rounded_once(x, [](const Tensor& wide) { return wide * tanh(softplus(wide)); });
}

Tensor hardswish(const Tensor& x) {
  return rounded_once(x, [](const Tensor& wide) { return wide * relu6(wide + 3.0) / 6.0; });
}

Tensor hardtanh(const Tensor& x, double low, double high) { return clamp(x, low, high); }
Tensor relu6(const Tensor& x) { return clamp(x, 0, 6); }

}  // namespace tsr
