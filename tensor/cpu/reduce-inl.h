// Sums and maxima of rows and columns on Highway vectors. Included once for each instruction set, after
// hwy/highway.h.
#include <cstdint>
#include <limits>
#include <type_traits>

#if defined(TESSERA_REDUCE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_REDUCE_INL_H_
#undef TESSERA_REDUCE_INL_H_
#else
#define TESSERA_REDUCE_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// What a reduction does: map an element, combine two results. A sum is kept in double: loads and not
// conversions bound the speed, and no order of values costs accuracy.
struct SumOf {
  template <class T>
  using Accumulator = double;
  static constexpr double identity = 0;
  template <class V>
  static HWY_INLINE V map(V x) {
    return x;
  }
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Add(a, b);
  }
  HWY_INLINE double operator()(double a, double b) const { return a + b; }
};

struct SumOfSquares : SumOf {
  template <class V>
  static HWY_INLINE V map(V x) {
    return hn::Mul(x, x);
  }
  static HWY_INLINE double map(double x) { return x * x; }
};

struct ProductOf : SumOf {
  static constexpr double identity = 1;
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Mul(a, b);
  }
  HWY_INLINE double operator()(double a, double b) const { return a * b; }
};

struct MaxOf {  // NaN wins
  template <class T>
  using Accumulator = T;
  static constexpr double identity = -std::numeric_limits<double>::infinity();
  template <class V>
  static HWY_INLINE V map(V x) {
    return x;
  }
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::IfThenElse(hn::Or(hn::Gt(b, a), hn::IsNaN(b)), b, a);
  }
  HWY_INLINE double operator()(double a, double b) const { return b > a || b != b ? b : a; }
  HWY_INLINE float operator()(float a, float b) const { return b > a || b != b ? b : a; }
};

struct MinOf {
  template <class T>
  using Accumulator = T;
  static constexpr double identity = std::numeric_limits<double>::infinity();
  template <class V>
  static HWY_INLINE V map(V x) {
    return x;
  }
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::IfThenElse(hn::Or(hn::Lt(b, a), hn::IsNaN(b)), b, a);
  }
  HWY_INLINE double operator()(double a, double b) const { return b < a || b != b ? b : a; }
  HWY_INLINE float operator()(float a, float b) const { return b < a || b != b ? b : a; }
};

/// A vector of accumulators' type from dense elements.
template <class D, class T>
HWY_INLINE hn::Vec<D> load_as(D d, const T* x) {
  if constexpr (std::is_same_v<hn::TFromD<D>, T>) {
    return hn::LoadU(d, x);
  } else {
    return hn::PromoteTo(d, hn::LoadU(hn::Rebind<T, D>(), x));
  }
}

/// f over a dense row.
template <class F, class T, class A = typename F::template Accumulator<T>>
HWY_INLINE A reduce_row(F f, const T* x, std::int64_t count) {
  const hn::ScalableTag<A> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t stride = 4 * lanes;
  const auto at = [&](std::int64_t i) HWY_ATTR { return F::map(load_as(d, x + i)); };
  A result = static_cast<A>(F::identity);
  std::int64_t i = 0;
  if (count >= stride) {
    auto s0 = at(0), s1 = at(lanes), s2 = at(2 * lanes), s3 = at(3 * lanes);
    for (i = stride; i + stride <= count; i += stride) {
      s0 = f(s0, at(i));
      s1 = f(s1, at(i + lanes));
      s2 = f(s2, at(i + 2 * lanes));
      s3 = f(s3, at(i + 3 * lanes));
    }
    HWY_ALIGN A acc[HWY_MAX_BYTES / sizeof(A)];
    hn::Store(f(f(s0, s1), f(s2, s3)), d, acc);
    for (std::int64_t width = lanes / 2; width > 0; width /= 2)
      for (std::int64_t lane = 0; lane < width; ++lane) acc[lane] = f(acc[lane], acc[lane + width]);
    result = acc[0];
  }
  for (; i < count; ++i) result = f(result, F::map(static_cast<A>(x[i])));
  return result;
}

/// acc[c] = f over acc[c] and x[r·stride + c] for all rows r.
template <class F, class T, class A>
HWY_INLINE void reduce_columns(F f, const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns,
                               A* acc) {
  const hn::ScalableTag<A> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= columns; c += lanes) {
    auto v = hn::LoadU(d, acc + c);
    for (std::int64_t r = 0; r < rows; ++r) v = f(v, F::map(load_as(d, x + r * stride + c)));
    hn::StoreU(v, d, acc + c);
  }
  for (; c < columns; ++c)
    for (std::int64_t r = 0; r < rows; ++r) acc[c] = f(acc[c], F::map(static_cast<A>(x[r * stride + c])));
}

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
