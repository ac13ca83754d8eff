// Exponentials and log-sum-exps of dense rows. Included once for each instruction set, after hwy/highway.h.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tensor/online_softmax.h"

#if defined(TESSERA_SOFTMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_SOFTMAX_INL_H_
#undef TESSERA_SOFTMAX_INL_H_
#else
#define TESSERA_SOFTMAX_INL_H_
#endif

// both keep a guard per target
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

template <class T>
HWY_INLINE T row_max(const T* x, std::int64_t count) {
  return static_cast<T>(reduce_row(MaxOf{}, x, count));
}

/// log Σ exp x of a row that is read from memory once; an infinite (or NaN) largest value is the result
/// itself.
template <class T>
HWY_INLINE double row_logsumexp(const T* x, std::int64_t count) {
  constexpr std::int64_t kBlock = 1024;  // stays in the first-level cache between its maximum and its sum
  OnlineSoftmax<double> softmax;
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t size = std::min(kBlock, count - begin);
    const T top = row_max(x + begin, size);
    if (std::isnan(top)) return static_cast<double>(top);
    softmax.raise(static_cast<double>(top));
    if (std::isfinite(softmax.top))
      softmax.sum += sum_exp<false, T>(x + begin, size, static_cast<T>(softmax.top), nullptr);
  }
  return std::isfinite(softmax.top) ? softmax.log_sum() : softmax.top;
}

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
