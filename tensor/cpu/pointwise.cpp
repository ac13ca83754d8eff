// Pointwise kernels: each is one functor on a Highway vector; rows that aren't dense are packed first.
#include <limits>

#include "tensor/cpu/strided.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/pointwise.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// math-inl.h keeps a guard per target and so follows highway.h
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Elements packed at a time when a row isn't dense: small enough for the first-level cache.
constexpr std::int64_t kPack = 512;

/// The row itself when it is dense, else its elements copied into `buffer`.
template <class T>
HWY_INLINE const T* packed(const T* row, std::int64_t stride, std::int64_t first, std::int64_t count,
                           T* buffer) {
  if (stride == 1) return row + first;
  for (std::int64_t i = 0; i < count; ++i) buffer[i] = row[(first + i) * stride];
  return buffer;
}

/// y[i] = f(x[i]…) over dense rows; the tail goes through padded vectors, so that every element meets the
/// same arithmetic.
template <class F, class T, class... In>
HWY_INLINE void apply(F f, std::int64_t count, T* y, const In*... x) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(f(d, hn::LoadU(d, x + i)...), d, y + i);
  if (i == count) return;
  HWY_ALIGN T padded[sizeof...(In) + 1][HWY_MAX_BYTES / sizeof(T)] = {};
  int input = 0;
  ((std::copy(x + i, x + count, padded[input++])), ...);
  input = 0;
  const auto load = [&](const T* from) HWY_ATTR { return hn::Load(d, from); };
  if constexpr (sizeof...(In) == 1) {
    hn::Store(f(d, load(padded[0])), d, padded[1]);
  } else {
    hn::Store(f(d, load(padded[0]), load(padded[1])), d, padded[2]);
  }
  std::copy(padded[sizeof...(In)], padded[sizeof...(In)] + (count - i), y + i);
}

template <class T, class F>
void unary(const View& x, const View& y) {
  const T* source = x.as<T>();
  T* target = y.as<T>();
  for_each_row<2>({&x, &y}, [&](const std::array<std::int64_t, 2>& offset, const RowStrides<2>& stride,
                                std::int64_t count) HWY_ATTR {
    const T* from = source + offset[0];
    T* to = target + offset[1];
    if (stride[0] == 1) return apply(F{}, count, to, from);
    T buffer[kPack];
    for (std::int64_t first = 0; first < count; first += kPack) {
      const std::int64_t n = std::min(kPack, count - first);
      apply(F{}, n, to + first, packed(from, stride[0], first, n, buffer));
    }
  });
}

template <class T, class F>
void binary(const View& a, const View& b, const View& y) {
  const T* left = a.as<T>();
  const T* right = b.as<T>();
  T* target = y.as<T>();
  for_each_row<3>({&a, &b, &y}, [&](const std::array<std::int64_t, 3>& offset, const RowStrides<3>& stride,
                                    std::int64_t count) HWY_ATTR {
    const T* from_a = left + offset[0];
    const T* from_b = right + offset[1];
    T* to = target + offset[2];
    if (stride[0] == 1 && stride[1] == 1) return apply(F{}, count, to, from_a, from_b);
    T buffer_a[kPack], buffer_b[kPack];
    for (std::int64_t first = 0; first < count; first += kPack) {
      const std::int64_t n = std::min(kPack, count - first);
      apply(F{}, n, to + first, packed(from_a, stride[0], first, n, buffer_a),
            packed(from_b, stride[1], first, n, buffer_b));
    }
  });
}

struct Neg {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Neg(x);
  }
};
struct Abs {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Abs(x);
  }
};
struct Sqrt {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Sqrt(x);
  }
};
struct Relu {  // NaN stays NaN
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
  }
};
struct Sign {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V zero = hn::Zero(d), one = hn::Set(d, 1);
    return hn::Sub(hn::IfThenElseZero(hn::Gt(x, zero), one), hn::IfThenElseZero(hn::Lt(x, zero), one));
  }
};
struct Exp {  // Highway's is defined up to 104 (706); beyond the largest exponent it is infinity, and NaN
              // stays
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V limit = hn::Set(d, sizeof(T) == 4 ? T(88.72283935546875) : T(709.782712893384));
    const V floor = hn::Set(d, sizeof(T) == 4 ? T(-104) : T(-745.2));
    const V value = hn::Exp(d, hn::Min(hn::Max(x, floor), hn::Set(d, sizeof(T) == 4 ? T(88.7) : T(706))));
    const V inf = hn::Set(d, std::numeric_limits<T>::infinity());
    const V top = large(d, x, value);
    return hn::IfThenElse(hn::Gt(x, limit), inf, hn::IfThenElse(hn::IsNaN(x), x, top));
  }
  /// Between the range that Highway covers and overflow: exp(x) = exp(x/2)².
  template <class D, class V>
  HWY_INLINE V large(D d, V x, V value) const {
    using T = hn::TFromD<D>;
    const V edge = hn::Set(d, sizeof(T) == 4 ? T(88) : T(705));
    if (hn::AllFalse(d, hn::Gt(x, edge))) return value;
    const V half = hn::Exp(d, hn::Mul(hn::Min(x, hn::Set(d, T(720))), hn::Set(d, T(0.5))));
    return hn::IfThenElse(hn::Gt(x, edge), hn::Mul(half, half), value);
  }
};
struct Log {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V zero = hn::Zero(d), inf = hn::Set(d, std::numeric_limits<T>::infinity());
    const V safe = hn::IfThenElse(hn::Gt(x, zero), x, hn::Set(d, T(1)));
    V y = hn::Log(d, hn::IfThenElse(hn::Eq(safe, inf), hn::Set(d, T(1)), safe));
    y = hn::IfThenElse(hn::Eq(x, inf), inf, y);
    y = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(inf), y);
    const V nan = hn::Set(d, std::numeric_limits<T>::quiet_NaN());
    return hn::IfThenElse(hn::Lt(x, zero), nan, hn::IfThenElse(hn::IsNaN(x), x, y));
  }
};
struct Sigmoid {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V one = hn::Set(d, 1);
    return hn::Div(one, hn::Add(one, Exp{}(d, hn::Neg(x))));
  }
};
struct Tanh {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    using T = hn::TFromD<D>;
    const V bound = hn::Set(d, T(20));  // tanh rounds to ±1 beyond
    const V y = hn::Tanh(d, hn::Min(hn::Max(x, hn::Neg(bound)), bound));
    return hn::IfThenElse(hn::IsNaN(x), x, y);
  }
};
struct Add {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::Add(a, b);
  }
};
struct Sub {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::Sub(a, b);
  }
};
struct Mul {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::Mul(a, b);
  }
};
struct Div {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::Div(a, b);
  }
};
struct Maximum {  // NaN in either operand gives NaN
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::Gt(a, b), a, b));
  }
};
struct Minimum {
  template <class D, class V>
  HWY_INLINE V operator()(D, V a, V b) const {
    return hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::Lt(a, b), a, b));
  }
};
struct ReluBackward {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V grad, V y) const {
    return hn::IfThenElseZero(hn::Gt(y, hn::Zero(d)), grad);
  }
};

#define UNARY(name, Functor)                                       \
  void name##_f32(View x, View y) { unary<float, Functor>(x, y); } \
  void name##_f64(View x, View y) { unary<double, Functor>(x, y); }
#define BINARY(name, Functor)                                                  \
  void name##_f32(View a, View b, View y) { binary<float, Functor>(a, b, y); } \
  void name##_f64(View a, View b, View y) { binary<double, Functor>(a, b, y); }
UNARY(neg, Neg)
UNARY(abs, Abs)
UNARY(sqrt, Sqrt)
UNARY(relu, Relu)
UNARY(sign, Sign)
UNARY(exp, Exp)
UNARY(log, Log)
UNARY(sigmoid, Sigmoid)
UNARY(tanh, Tanh)
BINARY(add, Add)
BINARY(sub, Sub)
BINARY(mul, Mul)
BINARY(div, Div)
BINARY(maximum, Maximum)
BINARY(minimum, Minimum)
BINARY(relu_backward, ReluBackward)
#undef UNARY
#undef BINARY

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

// One line a slot: the functions of all instruction sets, and the slot's function that picks among them.
#define UNARY(name, slot)                                         \
  HWY_EXPORT(name##_f32);                                         \
  HWY_EXPORT(name##_f64);                                         \
  const int register_##name = [] {                                \
    slot.add(Device::cpu, float32, [](Context&, View x, View y) { \
      HWY_DYNAMIC_DISPATCH(name##_f32)(x, y);                     \
    });                                                           \
    slot.add(Device::cpu, float64, [](Context&, View x, View y) { \
      HWY_DYNAMIC_DISPATCH(name##_f64)(x, y);                     \
    });                                                           \
    return 0;                                                     \
  }();
#define BINARY(name, slot)                                                \
  HWY_EXPORT(name##_f32);                                                 \
  HWY_EXPORT(name##_f64);                                                 \
  const int register_##name = [] {                                        \
    slot.add(Device::cpu, float32, [](Context&, View a, View b, View y) { \
      HWY_DYNAMIC_DISPATCH(name##_f32)(a, b, y);                          \
    });                                                                   \
    slot.add(Device::cpu, float64, [](Context&, View a, View b, View y) { \
      HWY_DYNAMIC_DISPATCH(name##_f64)(a, b, y);                          \
    });                                                                   \
    return 0;                                                             \
  }();
UNARY(neg, neg_fwd)
UNARY(abs, abs_fwd)
UNARY(sqrt, sqrt_fwd)
UNARY(relu, relu_fwd)
UNARY(sign, sign_fwd)
UNARY(exp, exp_fwd)
UNARY(log, log_fwd)
UNARY(sigmoid, sigmoid_fwd)
UNARY(tanh, tanh_fwd)
BINARY(add, add_fwd)
BINARY(sub, sub_fwd)
BINARY(mul, mul_fwd)
BINARY(div, div_fwd)
BINARY(maximum, maximum_fwd)
BINARY(minimum, minimum_fwd)
BINARY(relu_backward, relu_bwd)
#undef UNARY
#undef BINARY

}  // namespace
}  // namespace tsr
#endif
