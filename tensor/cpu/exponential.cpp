// Exponentials, logarithms and the error function.
#include <cmath>
#include <limits>

#include "tensor/cpu/pointwise.h"
#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/exponential.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// math-inl.h keeps a guard per target and so follows highway.h
#include "tensor/cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {

#define POSITIVE hn::And(hn::Gt(x, hn::Zero(d)), hn::Le(x, hn::Set(d, std::numeric_limits<T>::max())))
TSR_FUNCTION(Expm1, odd_at_zero(d, x, hn::Expm1(d, x)), hn::Le(x, hn::Set(d, Exp::highest<T>)), std::expm1)
TSR_FUNCTION(Log, hn::Log(d, x), POSITIVE, std::log)
TSR_FUNCTION(Log10, hn::Log10(d, x), POSITIVE, std::log10)
#undef POSITIVE
TSR_FUNCTION(Log1p, odd_at_zero(d, x, hn::Log1p(d, x)),
             hn::And(hn::Ge(x, hn::Set(d, T(-0.99))), hn::Le(x, hn::Set(d, std::numeric_limits<T>::max()))),
             std::log1p)

struct Log2 {  // n + log(m)/log 2 with x = m·2^n and m in [0.75, 1.5): exact for powers of two
  template <class D, class V, class T = hn::TFromD<D>>
  HWY_INLINE V operator()(D d, V x) const {
    constexpr int kMantissa = std::numeric_limits<T>::digits - 1;
    const hn::RebindToSigned<D> di;
    const V least = hn::Set(d, std::numeric_limits<T>::min()),
            most = hn::Set(d, std::numeric_limits<T>::max());
    const auto bits = hn::BitCast(di, x), from = hn::BitCast(di, hn::Set(d, T(0.75)));
    const auto n = hn::ShiftRight<kMantissa>(hn::Sub(bits, from));
    const V m = hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<kMantissa>(n)));
    const V y = hn::MulAdd(hn::Log(d, m), hn::Set(d, T(1.44269504088896340736)), hn::ConvertTo(d, n));
    return mend(
        d, x, y, hn::And(hn::Ge(x, least), hn::Le(x, most)), +[](T v) { return std::log2(v); });
  }
};
struct Exp2 {  // 2^n·exp((x - n)·log 2) with n whole: exact for whole x
  template <class D, class V, class T = hn::TFromD<D>>
  HWY_INLINE V operator()(D d, V x) const {
    constexpr int kMantissa = std::numeric_limits<T>::digits - 1,
                  kBias = std::numeric_limits<T>::max_exponent - 1;
    const hn::RebindToSigned<D> di;
    const V bound = hn::Set(d, T(kBias - 1));
    const auto inside = hn::Le(hn::Abs(x), bound);
    const V n = hn::Round(hn::IfThenElseZero(inside, x));
    const auto power = hn::ShiftLeft<kMantissa>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, kBias)));
    const V fraction = hn::Exp(d, hn::Mul(hn::Sub(x, n), hn::Set(d, T(0.69314718055994530942))));
    return mend(
        d, x, hn::Mul(fraction, hn::BitCast(d, power)), inside, +[](T v) { return std::exp2(v); });
  }
};
struct Erfc {
  template <class D, class V, class T = hn::TFromD<D>>
  HWY_INLINE V operator()(D d, V x) const {
    V gauss;
    const V tail = erfc_above_zero(d, hn::Abs(x), gauss);
    const V y = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Sub(hn::Set(d, 2), tail), tail);
    return hn::IfThenElse(hn::IsNaN(x), x, y);
  }
};
struct Erf {  // x·P(x²) where |x| < 1, P fitted by tests/golden/polynomials.py
  template <class D, class V, class T = hn::TFromD<D>>
  HWY_INLINE V operator()(D d, V x) const {
    if constexpr (sizeof(T) == 8) {
      return each_lane(
          d, x, +[](T v) { return std::erf(v); });
    } else {
      const V one = hn::Set(d, 1), size = hn::Abs(x), square = hn::Mul(x, x);
      const V near =
          polynomial(d, square,
                     {1.1283791657267088, -0.37612625824222157, 0.11283585148493705, -0.02685381193035322,
                      0.005188327676451976, -0.0008010193544270594, 7.853861087273331e-05});
      V gauss;
      const V far = hn::CopySign(hn::Sub(one, erfc_above_zero(d, size, gauss)), x);
      const V y = hn::IfThenElse(hn::Lt(size, one), hn::Mul(x, near), far);
      return hn::IfThenElse(hn::IsNaN(x), x, y);
    }
  }
};

TSR_UNARY_ROWS(exp, Exp)
TSR_UNARY_ROWS(exp2, Exp2)
TSR_UNARY_ROWS(expm1, Expm1)
TSR_UNARY_ROWS(log, Log)
TSR_UNARY_ROWS(log2, Log2)
TSR_UNARY_ROWS(log10, Log10)
TSR_UNARY_ROWS(log1p, Log1p)
TSR_UNARY_ROWS(erf, Erf)
TSR_UNARY_ROWS(erfc, Erfc)

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

TSR_UNARY_SLOT(exp, exp_fwd)
TSR_UNARY_SLOT(exp2, exp2_fwd)
TSR_UNARY_SLOT(expm1, expm1_fwd)
TSR_UNARY_SLOT(log, log_fwd)
TSR_UNARY_SLOT(log2, log2_fwd)
TSR_UNARY_SLOT(log10, log10_fwd)
TSR_UNARY_SLOT(log1p, log1p_fwd)
TSR_UNARY_SLOT(erf, erf_fwd)
TSR_UNARY_SLOT(erfc, erfc_fwd)

}  // namespace
}  // namespace tsr
#endif
