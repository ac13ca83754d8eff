#pragma once
// Sums and maxima over a warp and over a block, in an order that the block's shape alone decides.

#include <limits>
#include <type_traits>

#include "cuda/numeric.h"

namespace tsr::TSR_BACKEND {

inline constexpr unsigned kAllLanes = 0xffffffffu;

struct Sum {
  template <class T>
  __device__ static constexpr T identity() {
    return 0;
  }
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Product {
  template <class T>
  __device__ static constexpr T identity() {
    return 1;
  }
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a * b;
  }
};
struct Max {  // NaN wins
  template <class T>
  __device__ static constexpr T identity() {
    return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                : std::numeric_limits<T>::lowest();
  }
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a > b || is_nan(a) ? a : b;
  }
};
struct Min {
  template <class T>
  __device__ static constexpr T identity() {
    return std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity()
                                                : std::numeric_limits<T>::max();
  }
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a < b || is_nan(a) ? a : b;
  }
};

/// What elements are summed in: float32 in double (a reduction waits for memory, not for arithmetic), low
/// precision in float, integers and bools in int64, which their sums and products are.
template <class T>
using Accumulator = std::conditional_t<std::is_integral_v<T>, std::int64_t,
                                       std::conditional_t<std::is_same_v<T, float>, double, float>>;

/// Every lane gets the result over its warp; all 32 lanes call it.
template <class Combine, class T>
__device__ inline T warp_reduce(T x, Combine combine) {
  for (int distance = 16; distance > 0; distance /= 2)
    x = combine(x, __shfl_xor_sync(kAllLanes, x, distance));
  return x;
}

/// Every thread gets the result over its block of full warps; all threads call it.
template <class Combine, class T>
__device__ inline T block_reduce(T x, Combine combine) {
  SHARED(T, partial, [32]);
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  x = warp_reduce(x, combine);
  if (lane == 0) partial[warp] = x;
  __syncthreads();
  x = warp_reduce(lane < warps ? partial[lane] : Combine::template identity<T>(), combine);
  __syncthreads();  // before the next call writes
  return x;
}

/// Combines value(i) over 0 … n-1 in a block; every thread gets the result.
template <class T = float, class Combine, class Value>
__device__ inline T reduce_over(std::int64_t n, Combine combine, const Value& value) {
  constexpr int kAhead = 4;  // values asked for before the first is waited for
  T result = Combine::template identity<T>();
  const std::int64_t step = blockDim.x;
  std::int64_t i = threadIdx.x;
  for (; i + (kAhead - 1) * step < n; i += kAhead * step) {
    T ahead[kAhead];
    UNROLL
    for (int k = 0; k < kAhead; ++k) ahead[k] = static_cast<T>(value(i + k * step));
    UNROLL
    for (int k = 0; k < kAhead; ++k) result = combine(result, ahead[k]);
  }
  for (; i < n; i += step) result = combine(result, static_cast<T>(value(i)));
  return block_reduce(result, combine);
}

/// Threads for n values: whole warps, at most 256.
inline unsigned reduce_threads(std::int64_t n) {
  return n >= 256 ? 256u : static_cast<unsigned>((n < 1 ? 1 : n) + 31) / 32 * 32;
}

}  // namespace tsr::TSR_BACKEND
