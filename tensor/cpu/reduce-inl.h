// Sums and maxima of rows and columns on Highway vectors. Included once for each instruction set, after
// hwy/highway.h.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#if defined(TESSERA_REDUCE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_REDUCE_INL_H_
#undef TESSERA_REDUCE_INL_H_
#else
#define TESSERA_REDUCE_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct SumOf {
  static constexpr double identity = 0;
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Add(a, b);
  }
  HWY_INLINE double operator()(double a, double b) const { return a + b; }
  HWY_INLINE float operator()(float a, float b) const { return a + b; }
};

struct MaxOf {  // NaN wins
  static constexpr double identity = -std::numeric_limits<double>::infinity();
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::IfThenElse(hn::Or(hn::Gt(b, a), hn::IsNaN(b)), b, a);
  }
  HWY_INLINE double operator()(double a, double b) const { return b > a || b != b ? b : a; }
  HWY_INLINE float operator()(float a, float b) const { return b > a || b != b ? b : a; }
};

/// acc (double, unaligned) = f(acc, v), lane by lane.
template <class F, class V>
HWY_INLINE void fold(F f, hn::ScalableTag<double> d, V v, double* acc) {
  hn::StoreU(f(hn::LoadU(d, acc), v), d, acc);
}
template <class F, class V>
HWY_INLINE void fold(F f, hn::ScalableTag<float> d, V v, double* acc) {
  (void)d;
#if HWY_TARGET == HWY_SCALAR  // one lane has no halves
  acc[0] = f(acc[0], static_cast<double>(hn::GetLane(v)));
#else
  const hn::Half<hn::ScalableTag<float> > half;
  const hn::Rebind<double, hn::Half<hn::ScalableTag<float> > > wide;
  const auto lanes = hn::Lanes(wide);
  const auto low = hn::PromoteTo(wide, hn::LowerHalf(half, v));
  const auto high = hn::PromoteTo(wide, hn::UpperHalf(half, v));
  hn::StoreU(f(hn::LoadU(wide, acc), low), wide, acc);
  hn::StoreU(f(hn::LoadU(wide, acc + lanes), high), wide, acc + lanes);
#endif
}

/// f over a dense row. Blocks of kBlock elements are folded in the row's own precision, block results in
/// double: a float32 sum loses no more than a few roundings, however long the row.
template <class F, class T>
HWY_INLINE double reduce_row(F f, const T* x, std::int64_t count) {
  constexpr std::int64_t kBlock = 1024;
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t stride = 4 * lanes;
  double result = F::identity;
  std::int64_t i = 0;
  if (count >= stride) {
    double acc[HWY_MAX_BYTES / sizeof(T)];
    std::fill_n(acc, lanes, F::identity);
    while (i + stride <= count) {
      const std::int64_t end = std::min(i + kBlock, count);
      auto s0 = hn::LoadU(d, x + i), s1 = hn::LoadU(d, x + i + lanes), s2 = hn::LoadU(d, x + i + 2 * lanes),
           s3 = hn::LoadU(d, x + i + 3 * lanes);
      for (i += stride; i + stride <= end; i += stride) {
        s0 = f(s0, hn::LoadU(d, x + i));
        s1 = f(s1, hn::LoadU(d, x + i + lanes));
        s2 = f(s2, hn::LoadU(d, x + i + 2 * lanes));
        s3 = f(s3, hn::LoadU(d, x + i + 3 * lanes));
      }
      fold(f, d, f(f(s0, s1), f(s2, s3)), acc);
    }
    for (std::int64_t width = lanes / 2; width > 0; width /= 2)
      for (std::int64_t lane = 0; lane < width; ++lane) acc[lane] = f(acc[lane], acc[lane + width]);
    result = acc[0];
  }
  for (; i < count; ++i) result = f(result, static_cast<double>(x[i]));
  return result;
}

/// acc[c] = f over a few rows' x[r·stride + c], folded into acc: rows in their own precision, acc in double.
template <class F, class T>
HWY_INLINE void reduce_columns(F f, const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns,
                               double* acc) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= columns; c += lanes) {
    auto v = hn::LoadU(d, x + c);
    for (std::int64_t r = 1; r < rows; ++r) v = f(v, hn::LoadU(d, x + r * stride + c));
    fold(f, d, v, acc + c);
  }
  for (; c < columns; ++c) {
    T v = x[c];
    for (std::int64_t r = 1; r < rows; ++r) v = f(v, x[r * stride + c]);
    acc[c] = f(acc[c], static_cast<double>(v));
  }
}

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
