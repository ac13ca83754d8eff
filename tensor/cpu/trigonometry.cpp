// Trigonometric and hyperbolic functions.
#include <cmath>
#include <limits>

#include "tensor/cpu/pointwise.h"
#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/trigonometry.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// math-inl.h keeps a guard per target and so follows highway.h
#include "tensor/cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {

#define WITHIN(bound) hn::Le(hn::Abs(x), hn::Set(d, T(bound)))
TSR_FUNCTION(Sin, odd_at_zero(d, x, hn::Sin(d, x)), WITHIN(39000), std::sin)
TSR_FUNCTION(Cos, hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Set(d, 1), hn::Cos(d, x)), WITHIN(39000),
             std::cos)
TSR_FUNCTION(Tan, odd_at_zero(d, x, hn::Div(hn::Sin(d, x), hn::Cos(d, x))), WITHIN(39000), std::tan)
TSR_FUNCTION(Asin, hn::Asin(d, x), WITHIN(1), std::asin)
TSR_FUNCTION(Acos, hn::Acos(d, x), WITHIN(1), std::acos)
TSR_FUNCTION(Sinh, odd_at_zero(d, x, hn::Sinh(d, x)), WITHIN(Exp::highest<T>), std::sinh)
#undef WITHIN

struct Cosh {
  template <class D, class V, class T = hn::TFromD<D>>
  HWY_INLINE V operator()(D d, V x) const {
    const V size = hn::Abs(x), e = hn::Exp(d, size), half = hn::Set(d, T(0.5));
    const V y = hn::MulAdd(half, e, hn::Div(half, e));
    return mend(
        d, x, y, hn::Le(size, hn::Set(d, Exp::highest<T>)), +[](T v) { return std::cosh(v); });
  }
};
struct Atan {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Atan(d, x);
  }
};
struct Tanh {
  template <class D, class V, class T = hn::TFromD<D>>
  HWY_INLINE V operator()(D d, V x) const {
    const V bound = hn::Set(d, T(20));  // tanh rounds to ±1 beyond
    const V y = hn::Tanh(d, hn::Min(hn::Max(x, hn::Neg(bound)), bound));
    return hn::IfThenElse(hn::IsNaN(x), x, y);
  }
};

TSR_UNARY_ROWS(sin, Sin)
TSR_UNARY_ROWS(cos, Cos)
TSR_UNARY_ROWS(tan, Tan)
TSR_UNARY_ROWS(asin, Asin)
TSR_UNARY_ROWS(acos, Acos)
TSR_UNARY_ROWS(atan, Atan)
TSR_UNARY_ROWS(sinh, Sinh)
TSR_UNARY_ROWS(cosh, Cosh)
TSR_UNARY_ROWS(tanh, Tanh)

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

TSR_UNARY_SLOT(sin, sin_fwd)
TSR_UNARY_SLOT(cos, cos_fwd)
TSR_UNARY_SLOT(tan, tan_fwd)
TSR_UNARY_SLOT(asin, asin_fwd)
TSR_UNARY_SLOT(acos, acos_fwd)
TSR_UNARY_SLOT(atan, atan_fwd)
TSR_UNARY_SLOT(sinh, sinh_fwd)
TSR_UNARY_SLOT(cosh, cosh_fwd)
TSR_UNARY_SLOT(tanh, tanh_fwd)

}  // namespace
}  // namespace tsr
#endif
