// Small squares turned over, compiled for each instruction set.
#if defined(TESSERA_TENSOR_CPU_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_TENSOR_CPU_TRANSPOSE_INL_H_
#undef TESSERA_TENSOR_CPU_TRANSPOSE_INL_H_
#else
#define TESSERA_TENSOR_CPU_TRANSPOSE_INL_H_
#endif

#include <cstdint>

#include "tensor/cpu/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
/// to[k·width + j] = from[j·stride + k] for a square of as many as 16 bytes hold.
template <class T>
HWY_INLINE void transpose_square(const T* from, std::int64_t stride, T* to, std::int64_t width) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::FixedTag<T, 16 / sizeof(T)> d;
  if constexpr (sizeof(T) == 8) {
    const auto a = hn::LoadU(d, from), b = hn::LoadU(d, from + stride);
    hn::StoreU(hn::InterleaveLower(d, a, b), d, to);
    hn::StoreU(hn::InterleaveUpper(d, a, b), d, to + width);
  } else {
    const auto a = hn::LoadU(d, from), b = hn::LoadU(d, from + stride), c = hn::LoadU(d, from + 2 * stride),
               e = hn::LoadU(d, from + 3 * stride);
    const auto ab = hn::InterleaveLower(d, a, b), ce = hn::InterleaveLower(d, c, e),
               ab_high = hn::InterleaveUpper(d, a, b), ce_high = hn::InterleaveUpper(d, c, e);
    hn::StoreU(hn::ConcatLowerLower(d, ce, ab), d, to);
    hn::StoreU(hn::ConcatUpperUpper(d, ce, ab), d, to + width);
    hn::StoreU(hn::ConcatLowerLower(d, ce_high, ab_high), d, to + 2 * width);
    hn::StoreU(hn::ConcatUpperUpper(d, ce_high, ab_high), d, to + 3 * width);
  }
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#endif
