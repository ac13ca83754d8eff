// Activations, and the gradients that are worth a pass of their own.
#include "tensor/cpu/pointwise.h"
#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/activation.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// math-inl.h keeps a guard per target and so follows highway.h
#include "tensor/cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {

/// x, but no lower than -bound, so that a product with 0 is 0 at -inf; NaN stays.
template <class D, class V>
HWY_INLINE V above(D d, V x, double bound) {
  const V low = hn::Set(d, static_cast<hn::TFromD<D>>(-bound));
  return hn::IfThenElse(hn::Lt(x, low), low, x);
}
/// x moved into [-bound, bound]; NaN stays.
template <class D, class V>
HWY_INLINE V within(D d, V x, double bound) {
  return hn::Neg(above(d, hn::Neg(above(d, x, bound)), bound));
}

struct Relu {  // NaN stays NaN
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
  }
};
struct ReluBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V grad, V y) const {
    return hn::IfThenElseZero(hn::Gt(y, hn::Zero(d)), grad);
  }
};

struct Sigmoid {  // by exp(-|x|), which neither overflows nor cancels
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V one = hn::Set(d, 1), e = hn::Exp(d, hn::Neg(hn::Abs(x)));
    const V y = hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
    return hn::IfThenElse(hn::IsNaN(x), x, y);
  }
};
struct SigmoidBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D, V grad, V y) const {
    return hn::Mul(grad, hn::NegMulAdd(y, y, y));
  }
};
struct TanhBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D, V grad, V y) const {
    return hn::NegMulAdd(hn::Mul(grad, y), y, grad);
  }
};
struct Softplus {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V tail = hn::Log1p(d, hn::Exp(d, hn::Neg(hn::Abs(x))));
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Add(hn::Max(x, hn::Zero(d)), tail));
  }
};

struct Silu {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    x = above(d, x, 1000);
    return hn::Mul(x, Sigmoid{}(d, x));
  }
};
struct SiluBackward {  // s·(1 + x·(1 - s)) with s = sigmoid(x)
  template <class D, class V>
  HWY_INLINE V operator()(D d, V grad, V x) const {
    x = within(d, x, 1000);
    const V one = hn::Set(d, 1), s = Sigmoid{}(d, x);
    return hn::Mul(grad, hn::Mul(s, hn::MulAdd(x, hn::Sub(one, s), one)));
  }
};

/// Φ(x), and exp(-x²/2).
template <class D, class V>
HWY_INLINE V normal_cdf(D d, V x, V& gauss) {
  using T = hn::TFromD<D>;
  const V scaled = hn::Mul(hn::Abs(x), hn::Set(d, T(0.70710678118654752440)));
  const V tail = hn::Mul(hn::Set(d, T(0.5)), erfc_above_zero(d, scaled, gauss));
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(hn::Set(d, 1), tail));
}
struct Gelu {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    V gauss;
    x = above(d, x, 1000);
    return hn::Mul(x, normal_cdf(d, x, gauss));
  }
};
struct GeluBackward {  // Φ(x) + x·exp(-x²/2) / √(2π)
  template <class D, class V, class T = hn::TFromD<D>>
  HWY_INLINE V operator()(D d, V grad, V x) const {
    V gauss;
    x = within(d, x, 1000);
    const V cdf = normal_cdf(d, x, gauss);
    return hn::Mul(grad, hn::MulAdd(hn::Mul(x, hn::Set(d, T(0.39894228040143267794))), gauss, cdf));
  }
};

// (1 + tanh u) / 2 is sigmoid(2u), here with 2u = kOuter·(x + kInner·x³).
constexpr double kOuter = 2 * 0.79788456080286535588, kInner = 0.044715;
struct GeluTanh {
  template <class D, class V, class T = hn::TFromD<D>>
  HWY_INLINE V operator()(D d, V x) const {
    x = above(d, x, 1000);
    const V cubic = hn::MulAdd(hn::Mul(x, x), hn::Set(d, T(kOuter * kInner)), hn::Set(d, T(kOuter)));
    return hn::Mul(x, Sigmoid{}(d, hn::Mul(x, cubic)));
  }
};
struct GeluTanhBackward {
  template <class D, class V, class T = hn::TFromD<D>>
  HWY_INLINE V operator()(D d, V grad, V x) const {
    x = within(d, x, 1000);
    const V one = hn::Set(d, 1), square = hn::Mul(x, x), outer = hn::Set(d, T(kOuter));
    const V s = Sigmoid{}(d, hn::Mul(x, hn::MulAdd(square, hn::Set(d, T(kOuter * kInner)), outer)));
    const V slope = hn::MulAdd(square, hn::Set(d, T(3 * kOuter * kInner)), outer);
    return hn::Mul(grad, hn::Mul(s, hn::MulAdd(hn::Mul(x, slope), hn::Sub(one, s), one)));
  }
};

struct LeakyRelu {
  double slope;
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x,
                          hn::Mul(x, hn::Set(d, static_cast<hn::TFromD<D>>(slope))));
  }
};
struct Elu {
  double alpha;
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V zero = hn::Zero(d), scale = hn::Set(d, static_cast<hn::TFromD<D>>(alpha));
    const V below = hn::Mul(scale, odd_at_zero(d, x, hn::Expm1(d, hn::Min(x, zero))));
    return hn::IfThenElse(hn::Or(hn::Gt(x, zero), hn::IsNaN(x)), x, below);
  }
};

TSR_UNARY_ROWS(relu, Relu)
TSR_UNARY_ROWS(sigmoid, Sigmoid)
TSR_UNARY_ROWS(softplus, Softplus)
TSR_UNARY_ROWS(silu, Silu)
TSR_UNARY_ROWS(gelu, Gelu)
TSR_UNARY_ROWS(gelu_tanh, GeluTanh)
TSR_BINARY_ROWS(relu_backward, ReluBackward)
TSR_BINARY_ROWS(sigmoid_backward, SigmoidBackward)
TSR_BINARY_ROWS(tanh_backward, TanhBackward)
TSR_BINARY_ROWS(silu_backward, SiluBackward)
TSR_BINARY_ROWS(gelu_backward, GeluBackward)
TSR_BINARY_ROWS(gelu_tanh_backward, GeluTanhBackward)
TSR_SCALAR_ROWS(leaky_relu, LeakyRelu)
TSR_SCALAR_ROWS(elu, Elu)

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

TSR_UNARY_SLOT(relu, relu_fwd)
TSR_UNARY_SLOT(sigmoid, sigmoid_fwd)
TSR_UNARY_SLOT(softplus, softplus_fwd)
TSR_UNARY_SLOT(silu, silu_fwd)
TSR_UNARY_SLOT(gelu, gelu_fwd)
TSR_UNARY_SLOT(gelu_tanh, gelu_tanh_fwd)
TSR_BINARY_SLOT(relu_backward, relu_bwd)
TSR_BINARY_SLOT(sigmoid_backward, sigmoid_bwd)
TSR_BINARY_SLOT(tanh_backward, tanh_bwd)
TSR_BINARY_SLOT(silu_backward, silu_bwd)
TSR_BINARY_SLOT(gelu_backward, gelu_bwd)
TSR_BINARY_SLOT(gelu_tanh_backward, gelu_tanh_bwd)
TSR_SCALAR_SLOT(leaky_relu, leaky_relu_fwd)
TSR_SCALAR_SLOT(elu, elu_fwd)

}  // namespace
}  // namespace tsr
#endif
