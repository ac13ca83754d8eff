// Loops over channels, compiled for each instruction set.
#if defined(TESSERA_TENSOR_CPU_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_TENSOR_CPU_LANES_INL_H_
#undef TESSERA_TENSOR_CPU_LANES_INL_H_
#else
#define TESSERA_TENSOR_CPU_LANES_INL_H_
#endif

#include <cstdint>
#include <type_traits>

#include "tensor/cpu/highway.h"
#include "tensor/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {

/// Calls f(float{}) or f(double{}).
template <class F>
HWY_INLINE void with_real(DType dtype, F&& f) {
  if (dtype == float32) {
    f(float{});
  } else {
    TSR_ASSERT(dtype == float64);
    f(double{});
  }
}

/// Calls f(tag, i) for vectors that start at element i and cover [0, count); the rest goes through vectors of
/// one lane.
template <class T, class F>
HWY_INLINE void for_lanes(std::int64_t count, F&& f) {
  const hwy::HWY_NAMESPACE::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hwy::HWY_NAMESPACE::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) f(d, i);
  const hwy::HWY_NAMESPACE::CappedTag<T, 1> one;
  for (; i < count; ++i) f(one, i);
}

/// Walks a dense matrix top down, four rows at a time, so that f loads what belongs to a channel once for all
/// of them: calls f(tag, n, at, c) for n (an integral constant) rows whose first has the elements of channels
/// c… at offset `at`; the rows lie `channels` apart.
template <class T, class F>
HWY_INLINE void for_row_blocks(std::int64_t rows, std::int64_t channels, F&& f) {
  constexpr int kBlock = 4;
  std::int64_t row = 0;
  for (; row + kBlock <= rows; row += kBlock)
    for_lanes<T>(channels, [&](auto d, std::int64_t c) HWY_ATTR {
      f(d, std::integral_constant<int, kBlock>{}, row * channels + c, c);
    });
  for (; row < rows; ++row)
    for_lanes<T>(channels, [&](auto d, std::int64_t c)
                               HWY_ATTR { f(d, std::integral_constant<int, 1>{}, row * channels + c, c); });
}

}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#endif
