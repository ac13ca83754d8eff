// From a functor on Highway vectors to functions on dense rows, compiled for each instruction set.
#if defined(TESSERA_POINTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_POINTWISE_INL_H_
#undef TESSERA_POINTWISE_INL_H_
#else
#define TESSERA_POINTWISE_INL_H_                                                                       \
#define TSR_SCALAR_ROWS(name, Functor) void name##_f32(const float* x, std::int64_t count, float* y, \
                                                         double number) {                              \
    unary_row(Functor{number}, x, count, y);                                                           \
  }                                                                                                    \
  void name##_f64(const double* x, std::int64_t count, double* y, double number) {                     \
    unary_row(Functor{number}, x, count, y);                                                           \
  }

#endif

#include <algorithm>
#include <cstdint>

#include "hwy/cache_control.h"
#include "tensor/cpu/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Room for the largest vector.
template <class T>
inline constexpr std::size_t kMostLanes = HWY_MAX_BYTES / sizeof(T);

/// The last elements of a row, then ones: no function takes long over 1.
template <class T>
HWY_INLINE void pad(const T* rest, std::int64_t count, T* vector) {
  std::copy_n(rest, count, vector);
  std::fill(vector + count, vector + kMostLanes<T>, T(1));
}

/// Asks for what lies 2 KB behind p. Functions take so many instructions that few loads are under way at
/// once, and where each waits for the memory, that is most of their time.
template <class T>
HWY_INLINE void fetch_ahead(const T* p) {
  hwy::Prefetch(p + 2048 / sizeof(T));
}

/// y[i] = f(x[i]); the tail goes through a padded vector, so that every element meets the same arithmetic.
template <class F, class T>
void unary_row(const F& f, const T* x, std::int64_t count, T* y) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    fetch_ahead(x + i);
    hn::StoreU(f(d, hn::LoadU(d, x + i)), d, y + i);
  }
  if (i == count) return;
  HWY_ALIGN T from[kMostLanes<T>], to[kMostLanes<T>];
  pad(x + i, count - i, from);
  unary_row(f, from, lanes, to);
  std::copy(to, to + (count - i), y + i);
}

/// y[i] = f(a[i], b[i]), alike.
template <class F, class T>
void binary_row(const F& f, const T* a, const T* b, std::int64_t count, T* y) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    fetch_ahead(a + i), fetch_ahead(b + i);
    hn::StoreU(f(d, hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, y + i);
  }
  if (i == count) return;
  HWY_ALIGN T from_a[kMostLanes<T>], from_b[kMostLanes<T>], to[kMostLanes<T>];
  pad(a + i, count - i, from_a);
  pad(b + i, count - i, from_b);
  binary_row(f, from_a, from_b, lanes, to);
  std::copy(to, to + (count - i), y + i);
}

/// f of each lane.
template <class D, class V, class T = hn::TFromD<D>>
HWY_INLINE V each_lane(D d, V x, T (*f)(T)) {
  HWY_ALIGN T lanes[kMostLanes<T>];
  hn::Store(x, d, lanes);
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = f(lanes[i]);
  return hn::Load(d, lanes);
}

/// Lanes of y where `inside` is false, replaced by f(x).
template <class D, class V, class M, class T = hn::TFromD<D>>
HWY_INLINE V mend(D d, V x, V y, M inside, T (*f)(T)) {
  if (HWY_LIKELY(hn::AllTrue(d, inside))) return y;
  return hn::IfThenElse(inside, y, each_lane(d, x, f));
}

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// One line a kernel: its row functions for both dtypes, from a functor.
#undef TSR_UNARY_ROWS
#undef TSR_BINARY_ROWS
#undef TSR_SCALAR_ROWS
#define TSR_UNARY_ROWS(name, Functor)                                                                  \
  void name##_f32(const float* x, std::int64_t count, float* y) { unary_row(Functor{}, x, count, y); } \
  void name##_f64(const double* x, std::int64_t count, double* y) { unary_row(Functor{}, x, count, y); }
#define TSR_BINARY_ROWS(name, Functor)                                               \
  void name##_f32(const float* a, const float* b, std::int64_t count, float* y) {    \
    binary_row(Functor{}, a, b, count, y);                                           \
  }                                                                                  \
  void name##_f64(const double* a, const double* b, std::int64_t count, double* y) { \
    binary_row(Functor{}, a, b, count, y);                                           \
  }
#define TSR_SCALAR_ROWS(name, Functor)                                             \
  void name##_f32(const float* x, std::int64_t count, float* y, double number) {   \
    unary_row(Functor{number}, x, count, y);                                       \
  }                                                                                \
  void name##_f64(const double* x, std::int64_t count, double* y, double number) { \
    unary_row(Functor{number}, x, count, y);                                       \
  }

#endif
