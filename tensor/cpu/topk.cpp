// topk along rows. NaN counts as larger than any number, as in PyTorch.
#include <algorithm>
#include <cmath>

#include "tensor/cpu/rows.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/topk.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The first position from `begin` on whose value isn't known to rank below or equal to `bound`, else count.
template <bool Largest, class T>
HWY_INLINE std::int64_t find_better(const T* x, std::int64_t begin, std::int64_t count, T bound) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto limit = hn::Set(d, bound);
  std::int64_t i = begin;
  for (; i + lanes <= count; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    const auto first = hn::FindFirstTrue(d, hn::Not(Largest ? hn::Le(v, limit) : hn::Ge(v, limit)));
    if (first >= 0) return i + static_cast<std::int64_t>(first);
  }
  while (i < count && (Largest ? x[i] <= bound : x[i] >= bound)) ++i;
  return i;
}

/// The positions of the k best of a row, in order, kept as a heap with the worst on top while the row is
/// scanned: most elements meet only the comparison with that one.
template <bool Largest, class T>
void row_topk(const T* x, std::int64_t count, std::int64_t k, std::int64_t* best) {
  const auto before = [x](std::int64_t a, std::int64_t b) {
    const bool a_nan = std::isnan(x[a]), b_nan = std::isnan(x[b]);
    if (a_nan != b_nan) return Largest ? a_nan : b_nan;
    if (x[a] != x[b] && !a_nan) return Largest ? x[a] > x[b] : x[a] < x[b];
    return a < b;
  };
  for (std::int64_t i = 0; i < k; ++i) best[i] = i;
  std::make_heap(best, best + k, before);
  for (std::int64_t i = k; i < count && (i = find_better<Largest>(x, i, count, x[best[0]])) < count; ++i) {
    if (!before(i, best[0])) continue;
    std::pop_heap(best, best + k, before);
    best[k - 1] = i;
    std::push_heap(best, best + k, before);
  }
  std::sort_heap(best, best + k, before);
}

template <class T>
void topk(View x, View values, View indices, bool largest) {
  const T* source = x.as<T>();
  T* best_values = values.as<T>();
  auto* best = indices.as<std::int64_t>();
  const std::int64_t n = x.size[x.rank - 1], k = values.size[values.rank - 1];
  if (k == 0) return;
  const auto rank = largest ? row_topk<true, T> : row_topk<false, T>;
  for_rows(x, 2, [&](std::int64_t row, std::int64_t offset) {
    rank(source + offset, n, k, best + row * k);
    for (std::int64_t i = 0; i < k; ++i) best_values[row * k + i] = source[offset + best[row * k + i]];
  });
}

void topk_f32(View x, View values, View indices, bool largest) { topk<float>(x, values, indices, largest); }
void topk_f64(View x, View values, View indices, bool largest) { topk<double>(x, values, indices, largest); }

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

HWY_EXPORT(topk_f32);
HWY_EXPORT(topk_f64);

const int registered = [] {
  topk_fwd.add(Device::cpu, float32, [](Context&, View x, View values, View indices, bool largest) {
    HWY_DYNAMIC_DISPATCH(topk_f32)(x, values, indices, largest);
  });
  topk_fwd.add(Device::cpu, float64, [](Context&, View x, View values, View indices, bool largest) {
    HWY_DYNAMIC_DISPATCH(topk_f64)(x, values, indices, largest);
  });
  return 0;
}();

}  // namespace
}  // namespace tsr
#endif
