// Short copies inside packers, compiled for each instruction set.
#if defined(TESSERA_TENSOR_CPU_COPY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_TENSOR_CPU_COPY_INL_H_
#undef TESSERA_TENSOR_CPU_COPY_INL_H_
#else
#define TESSERA_TENSOR_CPU_COPY_INL_H_
#endif

#include <cstdint>

#include "tensor/cpu/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {

/// to[0, count) = from[0, count): faster than a call of memcpy for the lengths that packers meet.
template <class T>
HWY_INLINE void copy_run(const T* HWY_RESTRICT from, std::int64_t count, T* HWY_RESTRICT to) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<T> d;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  std::int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    const auto first = hn::LoadU(d, from + i);
    const auto second = hn::LoadU(d, from + i + kLanes);
    hn::StoreU(first, d, to + i);
    hn::StoreU(second, d, to + i + kLanes);
  }
  for (; i + kLanes <= count; i += kLanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  if (i < count) {
    const auto mask = hn::FirstN(d, static_cast<std::size_t>(count - i));
    hn::BlendedStore(hn::MaskedLoad(mask, d, from + i), mask, d, to + i);
  }
}

/// to[0, count) = 0.
template <class T>
HWY_INLINE void zero_run(std::int64_t count, T* to) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<T> d;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) hn::StoreU(hn::Zero(d), d, to + i);
  if (i < count) hn::BlendedStore(hn::Zero(d), hn::FirstN(d, static_cast<std::size_t>(count - i)), d, to + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#endif
