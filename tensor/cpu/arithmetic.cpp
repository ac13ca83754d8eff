// Arithmetic and rounding: each kernel is one functor on a Highway vector.
#include "tensor/cpu/pointwise.h"
#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/arithmetic.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// pointwise-inl.h keeps a guard per target and so follows highway.h
#include "tensor/cpu/pointwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {

// A functor that is one of Highway's operations.
#define UNARY_OPERATION(Name, operation)    \
  struct Name {                             \
    template <class D, class V>             \
    HWY_INLINE V operator()(D, V x) const { \
      return operation;                     \
    }                                       \
  };
#define BINARY_OPERATION(Name, operation)        \
  struct Name {                                  \
    template <class D, class V>                  \
    HWY_INLINE V operator()(D, V a, V b) const { \
      return operation;                          \
    }                                            \
  };
UNARY_OPERATION(Neg, hn::Neg(x))
UNARY_OPERATION(Abs, hn::Abs(x))
UNARY_OPERATION(Square, hn::Mul(x, x))
UNARY_OPERATION(Sqrt, hn::Sqrt(x))
// without SSE4 Highway's rounding loses the sign of zeros
UNARY_OPERATION(Floor, hn::CopySign(hn::Floor(x), x))
UNARY_OPERATION(Ceil, hn::CopySign(hn::Ceil(x), x))
UNARY_OPERATION(Round, hn::CopySign(hn::Round(x), x))
UNARY_OPERATION(Trunc, hn::CopySign(hn::Trunc(x), x))
BINARY_OPERATION(Add, hn::Add(a, b))
BINARY_OPERATION(Sub, hn::Sub(a, b))
BINARY_OPERATION(Mul, hn::Mul(a, b))
BINARY_OPERATION(Div, hn::Div(a, b))
// NaN in either operand gives NaN
BINARY_OPERATION(Maximum, hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::Gt(a, b), a, b)))
BINARY_OPERATION(Minimum, hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::Lt(a, b), a, b)))
#undef UNARY_OPERATION
#undef BINARY_OPERATION

struct Reciprocal {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Div(hn::Set(d, 1), x);
  }
};
struct Rsqrt {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Div(hn::Set(d, 1), hn::Sqrt(x));
  }
};
struct Sign {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V zero = hn::Zero(d), one = hn::Set(d, 1);
    return hn::Sub(hn::IfThenElseZero(hn::Gt(x, zero), one), hn::IfThenElseZero(hn::Lt(x, zero), one));
  }
};
struct Clamp {  // NaN stays
  double low, high;
  template <class D, class V, class T = hn::TFromD<D>>
  HWY_INLINE V operator()(D d, V x) const {
    const V least = hn::Set(d, static_cast<T>(low)), most = hn::Set(d, static_cast<T>(high));
    return hn::IfThenElse(hn::Lt(x, least), least, hn::IfThenElse(hn::Gt(x, most), most, x));
  }
};

void clamp_f32(const float* x, std::int64_t count, float* y, double low, double high) {
  unary_row(Clamp{low, high}, x, count, y);
}
void clamp_f64(const double* x, std::int64_t count, double* y, double low, double high) {
  unary_row(Clamp{low, high}, x, count, y);
}
TSR_UNARY_ROWS(neg, Neg)
TSR_UNARY_ROWS(abs, Abs)
TSR_UNARY_ROWS(square, Square)
TSR_UNARY_ROWS(sqrt, Sqrt)
TSR_UNARY_ROWS(rsqrt, Rsqrt)
TSR_UNARY_ROWS(reciprocal, Reciprocal)
TSR_UNARY_ROWS(sign, Sign)
TSR_UNARY_ROWS(floor, Floor)
TSR_UNARY_ROWS(ceil, Ceil)
TSR_UNARY_ROWS(round, Round)
TSR_UNARY_ROWS(trunc, Trunc)
TSR_BINARY_ROWS(add, Add)
TSR_BINARY_ROWS(sub, Sub)
TSR_BINARY_ROWS(mul, Mul)
TSR_BINARY_ROWS(div, Div)
TSR_BINARY_ROWS(maximum, Maximum)
TSR_BINARY_ROWS(minimum, Minimum)

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

TSR_UNARY_SLOT(neg, neg_fwd)
TSR_UNARY_SLOT(abs, abs_fwd)
TSR_UNARY_SLOT(square, square_fwd)
TSR_UNARY_SLOT(sqrt, sqrt_fwd)
TSR_UNARY_SLOT(rsqrt, rsqrt_fwd)
TSR_UNARY_SLOT(reciprocal, reciprocal_fwd)
TSR_UNARY_SLOT(sign, sign_fwd)
TSR_UNARY_SLOT(floor, floor_fwd)
TSR_UNARY_SLOT(ceil, ceil_fwd)
TSR_UNARY_SLOT(round, round_fwd)
TSR_UNARY_SLOT(trunc, trunc_fwd)
TSR_BINARY_SLOT(add, add_fwd)
TSR_BINARY_SLOT(sub, sub_fwd)
TSR_BINARY_SLOT(mul, mul_fwd)
TSR_BINARY_SLOT(div, div_fwd)
TSR_BINARY_SLOT(maximum, maximum_fwd)
TSR_BINARY_SLOT(minimum, minimum_fwd)

HWY_EXPORT(clamp_f32);
HWY_EXPORT(clamp_f64);
const int register_clamp = [] {
  clamp_fwd.add(Device::cpu, float32, [](Context&, View x, View y, double low, double high) {
    unary_rows<float, float>(x, y, [=](const float* from, std::int64_t count, float* to) {
      HWY_DYNAMIC_DISPATCH(clamp_f32)(from, count, to, low, high);
    });
  });
  clamp_fwd.add(Device::cpu, float64, [](Context&, View x, View y, double low, double high) {
    unary_rows<double, double>(x, y, [=](const double* from, std::int64_t count, double* to) {
      HWY_DYNAMIC_DISPATCH(clamp_f64)(from, count, to, low, high);
    });
  });
  return 0;
}();

}  // namespace
}  // namespace tsr
#endif
