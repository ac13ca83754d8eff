// uniform, normal and dropout: a thread draws the four words of one Philox counter, which serve four
// elements. Words and uniforms are the CPU's bit for bit; normals agree within 4 ulp.

#include "cuda/elements.h"
#include "cuda/numeric.h"
#include "tensor/kernels.h"
#include "tensor/random.h"

namespace tsr::TSR_BACKEND {
namespace {

struct Draw {
  std::uint64_t seed, number;
  std::int64_t count;  ///< of elements

  std::int64_t threads() const { return (count + 3) / 4; }
  /// Calls body(element, lane, words) for the elements of counter `block`.
  template <class Body>
  __device__ void for_elements(std::int64_t block, const Body& body) const {
    const auto words = philox_words(static_cast<std::uint64_t>(block), seed, number);
    for (int lane = 0; lane < 4 && block * 4 + lane < count; ++lane) body(block * 4 + lane, lane, words);
  }
};

template <class T>
__global__ void uniform_kernel(std::int64_t threads, Draw draw, T* y, double low, double high) {
  if (const std::int64_t i = element_index(); i < threads)
    draw.for_elements(i, [&](std::int64_t at, int lane, const auto& words) {
      y[at] = convert<T>(
          static_cast<float>(low + (high - low) * (static_cast<double>(words[lane] >> 8) * 0x1p-24)));
    });
}

template <class T>
__global__ void normal_kernel(std::int64_t threads, Draw draw, T* y, double mean, double std) {
  if (const std::int64_t i = element_index(); i < threads)
    draw.for_elements(i, [&](std::int64_t at, int lane, const auto& words) {
      const int pair = lane & ~1;
      const double radius_word = (static_cast<double>(words[pair]) + 1) * 0x1p-32;  // in (0, 1]
      const double angle = 6.283185307179586477 * static_cast<double>(words[pair + 1]) * 0x1p-32;
      const double radius = sqrt(-2 * log(radius_word));
      y[at] = convert<T>(static_cast<float>(mean + std * radius * (lane & 1 ? sin(angle) : cos(angle))));
    });
}

template <class T>
__global__ void dropout_kernel(std::int64_t threads, Draw draw, const T* x, T* y, double bound, float scale) {
  if (const std::int64_t i = element_index(); i < threads)
    draw.for_elements(i, [&](std::int64_t at, int lane, const auto& words) {
      y[at] = narrow<T>(words[lane] >= bound ? widen(x[at]) * scale : 0.0f);
    });
}

template <class T>
void uniform(Context&, View y, std::uint64_t seed, std::uint64_t number, double low, double high) {
  const Draw draw{seed, number, y.numel()};
  launch_elements<uniform_kernel<T>>(draw.threads(), draw, y.as<T>(), low, high);
}
template <class T>
void normal(Context&, View y, std::uint64_t seed, std::uint64_t number, double mean, double std) {
  const Draw draw{seed, number, y.numel()};
  launch_elements<normal_kernel<T>>(draw.threads(), draw, y.as<T>(), mean, std);
}
template <class T>
void dropout(Context&, View x, View y, std::uint64_t seed, std::uint64_t number, double p) {
  const Draw draw{seed, number, y.numel()};
  launch_elements<dropout_kernel<T>>(draw.threads(), draw, x.as<T>(), y.as<T>(), p * 0x1p32,
                                     static_cast<float>(1 / (1 - p)));
}

TSR_DEVICE_KERNEL(uniform_fwd, uniform, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(normal_fwd, normal, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(dropout_fwd, dropout, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
