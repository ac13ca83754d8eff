// Cumulative sums, kept in double while they run.
#include <algorithm>

#include "tensor/kernels.h"
#include "tensor/parallel.h"

namespace tsr {
namespace {

constexpr std::int64_t kWidth = 64;          // neighbouring sums that run together
constexpr std::int64_t kScanTask = 1 << 14;  // elements that are worth a task

/// `width` sums side by side; x and y are at the first of n rows, `step` apart (negative to run backwards).
template <class T>
void run(const T* x, T* y, std::int64_t n, std::int64_t step, std::int64_t width) {
  double acc[kWidth] = {};
  for (std::int64_t i = 0; i < n; ++i, x += step, y += step)
    for (std::int64_t c = 0; c < width; ++c) y[c] = static_cast<T>(acc[c] += static_cast<double>(x[c]));
}

/// A single sum, whose accumulator stays in a register.
template <class T>
void run_one(const T* x, T* y, std::int64_t n, std::int64_t step) {
  double acc = 0;
  for (std::int64_t i = 0; i < n; ++i) y[i * step] = static_cast<T>(acc += static_cast<double>(x[i * step]));
}

template <class T>
void cumsum_cpu(Context&, View x, View y, bool reverse) {
  const std::int64_t outer = x.size[0], n = x.size[1], inner = x.size[2];
  const std::int64_t pieces = (inner + kWidth - 1) / kWidth;
  const std::int64_t step = reverse ? -inner : inner, first = reverse ? (n - 1) * inner : 0;
  const std::int64_t grain =
      std::max<std::int64_t>(1, kScanTask / std::max<std::int64_t>(1, n * std::min(inner, kWidth)));
  if (n == 0) return;
  const T* source = x.as<T>();
  T* target = y.as<T>();
  parallel_for(outer * pieces, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t column = task % pieces * kWidth;
      const std::int64_t offset = task / pieces * n * inner + first + column;
      const std::int64_t width = std::min(kWidth, inner - column);
      if (width == 1) {
        run_one(source + offset, target + offset, n, step);
      } else {
        run(source + offset, target + offset, n, step, width);
      }
    }
  });
}

TSR_CPU_KERNEL(cumsum_fwd, cumsum_cpu, float, double);

}  // namespace
}  // namespace tsr
