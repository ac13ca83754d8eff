// softmax and its family along rows: the largest value is subtracted first, sums are kept in double.
#include <cmath>

#include "tensor/cpu/rows.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/softmax.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// both keep a guard per target and so follow highway.h
#include "hwy/contrib/math/math-inl.h"
#include "tensor/cpu/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {

constexpr std::int64_t kExpWork = 8;  // an exponential's cost, in simple operations

/// x shifted so that its largest value is 0, and exponentiated. Highway's Exp is defined for all x ≤ 0 and
/// gives 0 for -inf; its 0 for NaN doesn't matter, as the row's maximum is then NaN, and so are the results.
template <class D, class V>
HWY_INLINE V exp_shifted(D d, V x, V top) {
  return hn::Exp(d, hn::Sub(x, top));
}

/// Σ exp(x - top) over a dense row, which is written to y when Store. Blocks are summed in the row's own
/// precision, their sums in double.
template <bool Store, class T>
HWY_INLINE double sum_exp(const T* x, std::int64_t count, T top, T* y) {
  constexpr std::int64_t kBlock = 512;
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const V shift = hn::Set(d, top);
  const auto piece = [&](std::int64_t i) HWY_ATTR {
    const V value = exp_shifted(d, hn::LoadU(d, x + i), shift);
    if constexpr (Store) hn::StoreU(value, d, y + i);
    return value;
  };
  double total = 0;
  std::int64_t i = 0;
  while (i + lanes <= count) {
    const std::int64_t end = std::min(i + kBlock, count);
    V s0 = hn::Zero(d), s1 = hn::Zero(d);
    for (; i + 2 * lanes <= end; i += 2 * lanes) {
      s0 = hn::Add(s0, piece(i));
      s1 = hn::Add(s1, piece(i + lanes));
    }
    for (; i + lanes <= end; i += lanes) s0 = hn::Add(s0, piece(i));
    total += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1))));
  }
  if (i == count) return total;
  HWY_ALIGN T tail[HWY_MAX_BYTES / sizeof(T)] = {};
  std::copy(x + i, x + count, tail);
  hn::Store(exp_shifted(d, hn::Load(d, tail), shift), d, tail);
  for (std::int64_t lane = 0; lane < count - i; ++lane) total += static_cast<double>(tail[lane]);
  if constexpr (Store) std::copy(tail, tail + (count - i), y + i);
  return total;
}

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
HWY_INLINE T row_max(const T* x, std::int64_t count) {
  return static_cast<T>(reduce_row(MaxOf{}, x, count));
}

/// log Σ exp x; an infinite (or NaN) largest value is the result itself.
template <class T>
HWY_INLINE double row_logsumexp(const T* x, std::int64_t count) {
  const T top = row_max(x, count);
  if (!std::isfinite(top)) return static_cast<double>(top);
  return static_cast<double>(top) + std::log(sum_exp<false, T>(x, count, top, nullptr));
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

template <class T>
void cross_entropy(View logits, View labels, View loss, View lse) {
  const T* source = logits.as<T>();
  const auto* label = labels.as<std::int64_t>();
  T* target = loss.as<T>();
  T* sums = lse.as<T>();
  const std::int64_t n = logits.size[1];
  for_rows(logits, kExpWork, [&](std::int64_t row, std::int64_t offset) {
    const double total = row_logsumexp(source + offset, n);
    target[row] = static_cast<T>(total - static_cast<double>(source[offset + label[row]]));
    sums[row] = static_cast<T>(total);
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
void cross_entropy_f32(View x, View labels, View loss, View lse) {
  cross_entropy<float>(x, labels, loss, lse);
}
void cross_entropy_f64(View x, View labels, View loss, View lse) {
  cross_entropy<double>(x, labels, loss, lse);
}
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
ROWS(cross_entropy, (Context&, View x, View labels, View loss, View lse), (x, labels, loss, lse))
ROWS(l2_normalize, (Context&, View x, View y, View norm, double epsilon), (x, y, norm, epsilon))
#undef ROWS

}  // namespace
}  // namespace tsr
#endif
