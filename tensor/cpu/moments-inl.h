// Sums by channel that norms need, compiled for each instruction set.
#if defined(TESSERA_TENSOR_CPU_MOMENTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_TENSOR_CPU_MOMENTS_INL_H_
#undef TESSERA_TENSOR_CPU_MOMENTS_INL_H_
#else
#define TESSERA_TENSOR_CPU_MOMENTS_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "tensor/cpu/highway.h"
// compiled per target
#include "tensor/cpu/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// mean and Σ (x - mean)² of each channel of one chunk. Summing differences from the first row keeps the mean
/// right where it is large beside the deviation.
template <class T>
void chunk_moments(const T* x, std::int64_t rows, std::int64_t channels, T* mean, T* m2) {
  std::fill(mean, mean + channels, T(0));
  std::fill(m2, m2 + channels, T(0));
  for_row_blocks<T>(rows, channels, [&](auto d, auto n, std::int64_t at, std::int64_t c) HWY_ATTR {
    const auto first = hn::LoadU(d, x + c);
    auto total = hn::LoadU(d, mean + c);
    for (int r = 0; r < n; ++r) total = hn::Add(total, hn::Sub(hn::LoadU(d, x + at + r * channels), first));
    hn::StoreU(total, d, mean + c);
  });
  for_lanes<T>(channels, [&](auto d, std::int64_t c) HWY_ATTR {
    const auto share = hn::Set(d, T(1) / static_cast<T>(rows));
    hn::StoreU(hn::MulAdd(hn::LoadU(d, mean + c), share, hn::LoadU(d, x + c)), d, mean + c);
  });
  for_row_blocks<T>(rows, channels, [&](auto d, auto n, std::int64_t at, std::int64_t c) HWY_ATTR {
    const auto middle = hn::LoadU(d, mean + c);
    auto total = hn::LoadU(d, m2 + c);
    for (int r = 0; r < n; ++r) {
      const auto deviation = hn::Sub(hn::LoadU(d, x + at + r * channels), middle);
      total = hn::MulAdd(deviation, deviation, total);
    }
    hn::StoreU(total, d, m2 + c);
  });
}

/// Σ g and Σ g·(x - mean) of each channel of one chunk; gradient(d, i) loads g from element i of the chunk
/// on.
template <class T, class Gradient>
void chunk_gradient_sums(const T* x, const T* mean, std::int64_t rows, std::int64_t channels,
                         Gradient gradient, T* sum, T* product) {
  std::fill(sum, sum + channels, T(0));
  std::fill(product, product + channels, T(0));
  for_row_blocks<T>(rows, channels, [&](auto d, auto n, std::int64_t at, std::int64_t c) HWY_ATTR {
    const auto m = hn::LoadU(d, mean + c);
    auto total = hn::LoadU(d, sum + c), total_x = hn::LoadU(d, product + c);
    for (int r = 0; r < n; ++r) {
      const std::int64_t i = at + r * channels;
      const auto g = gradient(d, i);
      total = hn::Add(total, g);
      total_x = hn::MulAdd(g, hn::Sub(hn::LoadU(d, x + i), m), total_x);
    }
    hn::StoreU(total, d, sum + c);
    hn::StoreU(total_x, d, product + c);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#endif
