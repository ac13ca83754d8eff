// exp and erfc on vectors, over the whole range of values; shared by several files of kernels.
#if defined(TESSERA_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_MATH_INL_H_
#undef TESSERA_MATH_INL_H_
#else
#define TESSERA_MATH_INL_H_
#endif

#include <cmath>
#include <limits>

#include "tensor/cpu/highway.h"
// both keep a guard per target
#include "hwy/contrib/math/math-inl.h"
#include "tensor/cpu/pointwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {

struct Exp {
  /// Highway's Exp is right up to here, for -inf too.
  template <class T>
  static constexpr T highest = sizeof(T) == 4 ? T(88) : T(705);
  template <class D, class V, class T = hn::TFromD<D>>
  HWY_INLINE V operator()(D d, V x) const {
    return mend(
        d, x, hn::Exp(d, x), hn::Le(x, hn::Set(d, highest<T>)), +[](T v) { return std::exp(v); });
  }
};

/// x where it is so near to 0 that f(x) rounds to it (for -0 too), else y.
template <class D, class V>
HWY_INLINE V odd_at_zero(D d, V x, V y) {
  using T = hn::TFromD<D>;
  return hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, std::numeric_limits<T>::epsilon() / 4)), x, y);
}

/// c[0] + c[1]·x + c[2]·x² + …
template <class D, class V, int count>
HWY_INLINE V polynomial(D d, V x, const double (&c)[count]) {
  V sum = hn::Set(d, static_cast<hn::TFromD<D>>(c[count - 1]));
#pragma GCC unroll 16
  for (int i = count - 2; i >= 0; --i)  // a loop would fetch the coefficients from memory
    sum = hn::MulAdd(sum, x, hn::Set(d, static_cast<hn::TFromD<D>>(c[i])));
  return sum;
}

/// erfc(t) for 0 ≤ t, and gauss = exp(-t²). In float32 to a relative 3e-6 (1e-5 where there is no fused
/// multiply-add to recover the rounding of t²): with w = 1 / (1 + t/2) it is gauss·w·P(w), P fitted by
/// tests/golden/polynomials.py. In float64 it is the C library's.
template <class D, class V>
HWY_INLINE V erfc_above_zero(D d, V t, V& gauss) {
  using T = hn::TFromD<D>;
  t = hn::Min(t, hn::Set(d, T(40)));  // all is 0 there, and nothing overflows
  const V square = hn::Mul(t, t), rounding = hn::MulSub(t, t, square);
  gauss = hn::Exp(d, hn::Neg(square));
  gauss = hn::NegMulAdd(gauss, rounding, gauss);
  if constexpr (sizeof(T) == 8) {
    return each_lane(
        d, t, +[](T v) { return std::erfc(v); });
  } else {
    const V one = hn::Set(d, 1), w = hn::Div(one, hn::MulAdd(t, hn::Set(d, T(0.5)), one));
    const V p = polynomial(d, w,
                           {0.28208603867060583, 0.28238193110369986, 0.2430557725537993, 0.20287606221198434,
                            -0.027071327776880434, 0.2787121262172591, -0.4877620908939205,
                            0.2848457829653257, -0.05912433815571367});
    return hn::Mul(hn::Mul(gauss, w), p);
  }
}

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// A functor that mends Highway's mathematics (at most 4 ulp off where it is defined): what Highway says of x,
// where that holds, and the C library's function for the other lanes.
#undef TSR_FUNCTION
#define TSR_FUNCTION(Name, fast, inside, exact)               \
  struct Name {                                               \
    template <class D, class V, class T = hn::TFromD<D>>      \
    HWY_INLINE V operator()(D d, V x) const {                 \
      return mend(                                            \
          d, x, fast, inside, +[](T v) { return exact(v); }); \
    }                                                         \
  };

#endif
