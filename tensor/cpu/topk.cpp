// topk along rows. NaN counts as larger than any number, as in PyTorch.
#include <algorithm>
#include <cmath>

#include "tensor/cpu/rows.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/topk.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The first position from `begin` on whose value isn't below or equal to `bound`, else count.
template <class T>
HWY_INLINE std::int64_t find_above(const T* x, std::int64_t begin, std::int64_t count, T bound) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto limit = hn::Set(d, bound);
  std::int64_t i = begin;
  for (; i + lanes <= count; i += lanes) {
    const auto first = hn::FindFirstTrue(d, hn::Not(hn::Le(hn::LoadU(d, x + i), limit)));
    if (first >= 0) return i + static_cast<std::int64_t>(first);
  }
  while (i < count && x[i] <= bound) ++i;
  return i;
}

/// The positions of the k largest of a row, in order, kept as a heap with the worst on top while the row is
/// scanned: most elements meet only the comparison with that one.
template <class T>
void row_topk(const T* x, std::int64_t count, std::int64_t k, std::int64_t* best) {
  const auto before = [x](std::int64_t a, std::int64_t b) {
    const bool a_nan = std::isnan(x[a]), b_nan = std::isnan(x[b]);
    if (a_nan != b_nan) return a_nan;
    return x[a] > x[b] || (!(x[a] < x[b]) && a < b);
  };
  for (std::int64_t i = 0; i < k; ++i) best[i] = i;
  std::make_heap(best, best + k, before);
  for (std::int64_t i = k; i < count && (i = find_above(x, i, count, x[best[0]])) < count; ++i) {
    if (!before(i, best[0])) continue;
    std::pop_heap(best, best + k, before);
    best[k - 1] = i;
    std::push_heap(best, best + k, before);
  }
  std::sort_heap(best, best + k, before);
}

template <class T>
void topk(View x, View values, View indices) {
  const T* source = x.as<T>();
  T* best_values = values.as<T>();
  auto* best = indices.as<std::int64_t>();
  const std::int64_t n = x.size[x.rank - 1], k = values.size[values.rank - 1];
  if (k == 0) return;
  for_rows(x, 2, [&](std::int64_t row, std::int64_t offset) {
    row_topk(source + offset, n, k, best + row * k);
    for (std::int64_t i = 0; i < k; ++i) best_values[row * k + i] = source[offset + best[row * k + i]];
  });
}

void topk_f32(View x, View values, View indices) { topk<float>(x, values, indices); }
void topk_f64(View x, View values, View indices) { topk<double>(x, values, indices); }

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

HWY_EXPORT(topk_f32);
HWY_EXPORT(topk_f64);

const int registered = [] {
  topk_fwd.add(Device::cpu, float32, [](Context&, View x, View values, View indices) {
    HWY_DYNAMIC_DISPATCH(topk_f32)(x, values, indices);
  });
  topk_fwd.add(Device::cpu, float64, [](Context&, View x, View values, View indices) {
    HWY_DYNAMIC_DISPATCH(topk_f64)(x, values, indices);
  });
  return 0;
}();

}  // namespace
}  // namespace tsr
#endif
