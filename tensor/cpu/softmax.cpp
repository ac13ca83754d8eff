// softmax and its family along rows: the largest value is subtracted first, sums are kept in double.
#include <cmath>

#include "tensor/cpu/rows.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/softmax.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// keeps a guard per target and so follows highway.h
#include "tensor/cpu/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {

/// y = x·factor over a dense row; in place when y is x.
template <class T>
HWY_INLINE void scale(const T* x, std::int64_t count, T factor, T* y) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), d, y + i);
  for (; i < count; ++i) y[i] = x[i] * factor;
}

/// y = (x - top) - log_sum over a dense row: the first difference is exact near the top.
template <class T>
HWY_INLINE void shift(const T* x, std::int64_t count, T top, T log_sum, T* y) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::Sub(hn::Sub(hn::LoadU(d, x + i), hn::Set(d, top)), hn::Set(d, log_sum)), d, y + i);
  for (; i < count; ++i) y[i] = (x[i] - top) - log_sum;
}

template <class T>
void softmax(View x, View y) {
  const T* source = x.as<T>();
  T* target = y.as<T>();
  const std::int64_t n = x.size[x.rank - 1];
  for_rows(x, kExpWork, [&](std::int64_t row, std::int64_t offset) {
    T* to = target + row * n;
    const double total = sum_exp<true>(source + offset, n, row_max(source + offset, n), to);
    scale(to, n, static_cast<T>(1 / total), to);
  });
}

template <class T>
void log_softmax(View x, View y) {
  const T* source = x.as<T>();
  T* target = y.as<T>();
  const std::int64_t n = x.size[x.rank - 1];
  for_rows(x, kExpWork, [&](std::int64_t row, std::int64_t offset) {
    const T* from = source + offset;
    const T top = row_max(from, n);
    const double total = sum_exp<false, T>(from, n, top, nullptr);
    shift(from, n, top, static_cast<T>(std::log(total)), target + row * n);
  });
}

template <class T>
void logsumexp(View x, View y) {
  const T* source = x.as<T>();
  T* target = y.as<T>();
  const std::int64_t n = x.size[x.rank - 1];
  for_rows(x, kExpWork, [&](std::int64_t row, std::int64_t offset) {
    target[row] = static_cast<T>(row_logsumexp(source + offset, n));
  });
}

/// Σ x² over a dense row, in double: neither 1e30 nor 1e-30 leaves its range.
template <class T>
HWY_INLINE double sum_squares(const T* x, std::int64_t count) {
  const hn::ScalableTag<double> wide;
  const hn::Rebind<T, decltype(wide)> narrow;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(wide));
  auto s0 = hn::Zero(wide), s1 = hn::Zero(wide);
  const auto piece = [&](std::int64_t i) HWY_ATTR {
    if constexpr (sizeof(T) == 8) {
      return hn::LoadU(wide, x + i);
    } else {
      return hn::PromoteTo(wide, hn::LoadU(narrow, x + i));
    }
  };
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto a = piece(i), b = piece(i + lanes);
    s0 = hn::MulAdd(a, a, s0);
    s1 = hn::MulAdd(b, b, s1);
  }
  double total = hn::GetLane(hn::SumOfLanes(wide, hn::Add(s0, s1)));
  for (; i < count; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return total;
}

template <class T>
void l2_normalize(View x, View y, View norm, double epsilon) {
  const T* source = x.as<T>();
  T* target = y.as<T>();
  T* norms = norm.as<T>();
  const std::int64_t n = x.size[x.rank - 1];
  for_rows(x, 2, [&](std::int64_t row, std::int64_t offset) {
    const double length = std::max(std::sqrt(sum_squares(source + offset, n)), epsilon);
    scale(source + offset, n, static_cast<T>(1 / length), target + row * n);
    norms[row] = static_cast<T>(length);
  });
}

void softmax_f32(View x, View y) { softmax<float>(x, y); }
void softmax_f64(View x, View y) { softmax<double>(x, y); }
void log_softmax_f32(View x, View y) { log_softmax<float>(x, y); }
void log_softmax_f64(View x, View y) { log_softmax<double>(x, y); }
void logsumexp_f32(View x, View y) { logsumexp<float>(x, y); }
void logsumexp_f64(View x, View y) { logsumexp<double>(x, y); }
void l2_normalize_f32(View x, View y, View norm, double epsilon) { l2_normalize<float>(x, y, norm, epsilon); }
void l2_normalize_f64(View x, View y, View norm, double epsilon) {
  l2_normalize<double>(x, y, norm, epsilon);
}

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

// A line a kernel: the functions of all instruction sets, and the slot's functions that pick among them.
#define ROWS(name, parameters, arguments)                                                                \
  HWY_EXPORT(name##_f32);                                                                                \
  HWY_EXPORT(name##_f64);                                                                                \
  const int register_##name = [] {                                                                       \
    name##_fwd.add(Device::cpu, float32, [] parameters { HWY_DYNAMIC_DISPATCH(name##_f32) arguments; }); \
    name##_fwd.add(Device::cpu, float64, [] parameters { HWY_DYNAMIC_DISPATCH(name##_f64) arguments; }); \
    return 0;                                                                                            \
  }();
ROWS(softmax, (Context&, View x, View y), (x, y))
ROWS(log_softmax, (Context&, View x, View y), (x, y))
ROWS(logsumexp, (Context&, View x, View y), (x, y))
ROWS(l2_normalize, (Context&, View x, View y, View norm, double epsilon), (x, y, norm, epsilon))
#undef ROWS

}  // namespace
}  // namespace tsr
#endif
