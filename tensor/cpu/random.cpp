// uniform and normal draws: element i is lane i mod 4 of Philox counter i / 4.
#include "tensor/random.h"

#include <cmath>
#include <numbers>

#include "tensor/kernels.h"
#include "tensor/parallel.h"

namespace tsr {
namespace {

/// Calls value(words, lane) for each element.
template <class T, class Value>
void fill_from_words(const View& y, std::uint64_t seed, std::uint64_t draw, Value value) {
  T* out = y.as<T>();
  const std::int64_t count = y.numel();
  parallel_for((count + 3) / 4, 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const auto words = philox_words(static_cast<std::uint64_t>(block), seed, draw);
      for (int lane = 0; lane < 4 && block * 4 + lane < count; ++lane)
        out[block * 4 + lane] = static_cast<T>(value(words, lane));
    }
  });
}

template <class T>
void uniform_cpu(Context&, View y, std::uint64_t seed, std::uint64_t draw, double low, double high) {
  fill_from_words<T>(y, seed, draw, [&](const auto& words, int lane) {
    return low + (high - low) * (static_cast<double>(words[lane] >> 8) * 0x1p-24);
  });
}

template <class T>
void normal_cpu(Context&, View y, std::uint64_t seed, std::uint64_t draw, double mean, double std) {
  fill_from_words<T>(y, seed, draw, [&](const auto& words, int lane) {
    const int pair = lane & ~1;
    const double radius_word = (static_cast<double>(words[pair]) + 1) * 0x1p-32;  // in (0, 1]
    const double angle = 2 * std::numbers::pi * static_cast<double>(words[pair + 1]) * 0x1p-32;
    const double radius = std::sqrt(-2 * std::log(radius_word));
    return mean + std * radius * (lane & 1 ? std::sin(angle) : std::cos(angle));
  });
}

TSR_CPU_KERNEL(uniform_fwd, uniform_cpu, float, double, BFloat16, Float16);
TSR_CPU_KERNEL(normal_fwd, normal_cpu, float, double, BFloat16, Float16);

}  // namespace
}  // namespace tsr
