// Resampling an image by a sparse matrix along each axis.
#include <algorithm>

#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/resample.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// compiled per target and so follows highway.h
#include "tensor/cpu/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

/// One row of a ResampleAxis.
template <class T>
struct TapRange {
  const std::int32_t* source;
  const T* weight;
  std::int32_t count;

  TapRange(const ResampleAxis& axis, std::int64_t output) {
    const auto* start = axis.start.as<std::int32_t>() + output;
    source = axis.source.as<std::int32_t>() + *start;
    weight = axis.weight.as<T>() + *start;
    count = start[1] - *start;
  }
};

template <class T>
void resample_pixel(const T* image, std::int64_t width, std::int64_t channels, const TapRange<T>& rows,
                    const TapRange<T>& columns, T* y) {
  for_lanes<T>(channels, [&](auto d, std::int64_t c) HWY_ATTR {
    auto sum = hn::Zero(d);
    for (std::int32_t a = 0; a < rows.count; ++a) {
      const T* row = image + rows.source[a] * width * channels + c;
      auto part = hn::Zero(d);
      for (std::int32_t b = 0; b < columns.count; ++b)
        part =
            hn::MulAdd(hn::Set(d, columns.weight[b]), hn::LoadU(d, row + columns.source[b] * channels), part);
      sum = hn::MulAdd(hn::Set(d, rows.weight[a]), part, sum);
    }
    hn::StoreU(sum, d, y + c);
  });
}

void resample(View x, View y, const ResampleAxis& rows, const ResampleAxis& columns) {
  constexpr std::int64_t kGrain = 1 << 13;  // elements a task: big enough to hide the hand-out
  const std::int64_t height = y.size[1], width = y.size[2], channels = y.size[3], from = x.size[2];
  const std::int64_t image = x.size[1] * from * channels;
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, width * channels));
  with_real(x.dtype, [&](auto type) {
    using T = decltype(type);
    parallel_for(y.size[0] * height, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const TapRange<T> vertical(rows, row % height);
        for (std::int64_t ow = 0; ow < width; ++ow)
          resample_pixel(x.as<T>() + row / height * image, from, channels, vertical, TapRange<T>(columns, ow),
                         y.as<T>() + (row * width + ow) * channels);
      }
    });
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {
namespace {

HWY_EXPORT(resample);

const bool registered = [] {
  for (const DType dtype : {float32, float64})
    resample_fwd.add(Device::cpu, dtype,
                     [](Context&, View x, View y, const ResampleAxis& rows, const ResampleAxis& columns) {
                       HWY_DYNAMIC_DISPATCH(resample)(x, y, rows, columns);
                     });
  return true;
}();

}  // namespace
}  // namespace tsr::cpu
#endif
