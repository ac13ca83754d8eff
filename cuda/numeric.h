#pragma once
// Numbers in device code: what a stored type is computed in, and the conversions, rounded as the hardware
// does.

#include <type_traits>

#include "cuda/kernel.h"

namespace tsr::TSR_BACKEND {

template <class T>
__device__ inline Compute<T> widen(T x) {
  return x;
}
template <class T>
__device__ inline T narrow(Compute<T> x) {
  return static_cast<T>(x);
}

#if defined(__CUDACC__)
// The host's conversions of these types are not for device code.
template <>
__device__ inline float widen(Float16 x) {
  return __half2float(__ushort_as_half(x.bits));
}
template <>
__device__ inline float widen(BFloat16 x) {
  return __bfloat162float(__ushort_as_bfloat16(x.bits));
}
template <>
__device__ inline Float16 narrow(float x) {
  Float16 y;
  y.bits = __half_as_ushort(__float2half_rn(x));
  return y;
}
template <>
__device__ inline BFloat16 narrow(float x) {
  BFloat16 y;
  y.bits = __bfloat16_as_ushort(__float2bfloat16_rn(x));
  return y;
}
#endif

inline constexpr int kPack = 4;
/// Of a pack of elements of `size` bytes: a load takes 16 at most.
constexpr std::size_t pack_alignment(std::size_t size) { return size * kPack < 16 ? size * kPack : 16; }

/// Neighbours that one instruction loads or stores.
template <class T>
struct alignas(pack_alignment(sizeof(T))) Pack {
  T value[kPack];
};

/// Two neighbours that are stored at once.
template <class T>
struct alignas(2 * sizeof(T)) Pair {
  T first, second;
};

template <class T>
__device__ inline bool is_nan(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    return isnan(x);
  } else {
    return false;
  }
}

/// From any element type to any other, as copy_fwd of the CPU does: through float for low precision.
template <class To, class From>
__device__ inline To convert(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else {
    return narrow<To>(static_cast<Compute<To>>(widen(x)));
  }
}

}  // namespace tsr::TSR_BACKEND
