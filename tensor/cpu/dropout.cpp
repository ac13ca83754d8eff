// Dropout: element i by word i mod 4 of Philox counter i / 4. The backward draws the same words again, so
// that no mask is kept.
#include <algorithm>
#include <cmath>

#include "tensor/kernels.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

namespace tsr {
namespace {

template <class T>
void dropout_cpu(Context&, View x, View y, std::uint64_t seed, std::uint64_t draw, double p) {
  constexpr std::int64_t kBlocks = 2048;  // blocks of four words that are worth a task
  const T* from = x.as<T>();
  T* to = y.as<T>();
  const std::int64_t count = x.numel();
  const auto bound = static_cast<std::uint64_t>(std::ceil(p * 0x1p32));
  const T scale = p < 1 ? static_cast<T>(1 / (1 - p)) : T(0);
  const std::array<std::uint32_t, 2> key{static_cast<std::uint32_t>(seed),
                                         static_cast<std::uint32_t>(seed >> 32)};
  parallel_for((count + 3) / 4, kBlocks, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const auto number = static_cast<std::uint64_t>(block);
      const auto words = philox({static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32),
                                 static_cast<std::uint32_t>(draw), static_cast<std::uint32_t>(draw >> 32)},
                                key);
      const std::int64_t first = 4 * block, lanes = std::min<std::int64_t>(4, count - first);
      for (std::int64_t lane = 0; lane < lanes; ++lane)
        to[first + lane] = words[static_cast<std::size_t>(lane)] >= bound ? from[first + lane] * scale : T(0);
    }
  });
}

TSR_CPU_KERNEL(dropout_fwd, dropout_cpu, float, double);

}  // namespace
}  // namespace tsr
