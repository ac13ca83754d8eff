// Dropout: element i by word i mod 4 of Philox counter i / 4. The backward draws the same words again, so
// that no mask is kept.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/dropout.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// keeps a guard per target and so follows highway.h
#include "tensor/cpu/philox-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {
namespace {

/// to = from·scale where the word is at least `bound`, else 0.
template <class T>
HWY_INLINE void select(const T* from, const std::uint32_t* words, std::int64_t count, std::uint32_t bound,
                       T scale, T* to) {
  const hn::ScalableTag<T> d;
  const hn::Rebind<std::uint32_t, decltype(d)> d32;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto least = hn::Set(d32, bound);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto word = hn::LoadU(d32, words + i);
    const auto kept = hn::VecFromMask(d32, hn::Eq(hn::Max(word, least), word));
    const auto scaled = hn::Mul(hn::LoadU(d, from + i), hn::Set(d, scale));
    if constexpr (sizeof(T) == 4) {
      hn::StoreU(hn::And(hn::BitCast(d, kept), scaled), d, to + i);
    } else {
      const hn::RebindToSigned<decltype(d)> wide;
      const hn::RebindToSigned<decltype(d32)> narrow;
      hn::StoreU(hn::And(hn::BitCast(d, hn::PromoteTo(wide, hn::BitCast(narrow, kept))), scaled), d, to + i);
    }
  }
  for (; i < count; ++i) to[i] = words[i] >= bound ? from[i] * scale : T(0);
}

template <class T>
void dropout(const View& x, const View& y, std::uint64_t seed, std::uint64_t draw, double p) {
  constexpr std::int64_t kWords = 1024, kGrain = 16;  // words drawn at a time, and such draws a task
  const T* from = x.as<T>();
  T* to = y.as<T>();
  const std::int64_t count = x.numel();
  const double bound = std::ceil(p * 0x1p32);
  if (bound > std::numeric_limits<std::uint32_t>::max()) {
    std::fill(to, to + count, T(0));
    return;
  }
  const PhiloxWords source(seed, draw);
  parallel_for((count + kWords - 1) / kWords, kGrain, [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    HWY_ALIGN std::uint32_t words[kWords];
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const std::int64_t first = piece * kWords, size = std::min(kWords, count - first);
      source.fill(static_cast<std::uint64_t>(first / 4), (size + 3) / 4, words);
      select(from + first, words, size, static_cast<std::uint32_t>(bound), static_cast<T>(1 / (1 - p)),
             to + first);
    }
  });
}

void dropout_any(View x, View y, std::uint64_t seed, std::uint64_t draw, double p) {
  x.dtype == float32 ? dropout<float>(x, y, seed, draw, p) : dropout<double>(x, y, seed, draw, p);
}

}  // namespace
}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

HWY_EXPORT(dropout_any);

const bool registered = [] {
  for (const DType dtype : {float32, float64})
    dropout_fwd.add(Device::cpu, dtype,
                    [](Context&, View x, View y, std::uint64_t seed, std::uint64_t draw, double p) {
                      HWY_DYNAMIC_DISPATCH(dropout_any)(x, y, seed, draw, p);
                    });
  return true;
}();

}  // namespace
}  // namespace tsr
#endif
