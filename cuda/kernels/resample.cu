// Resampling an image by a sparse matrix along each axis, a thread an element of the result.

#include "cuda/elements.h"
#include "cuda/numeric.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

/// A ResampleAxis by its arrays.
struct AxisRows {
  const std::int32_t *start, *source;
  const float* weight;

  explicit AxisRows(const ResampleAxis& axis)
      : start(axis.start.as<std::int32_t>()),
        source(axis.source.as<std::int32_t>()),
        weight(axis.weight.as<float>()) {}
};

struct ResampleShape {
  std::int64_t from_height, from_width, height, width, channels;
};

template <class T>
__global__ void resample_kernel(std::int64_t count, ResampleShape s, AxisRows rows, AxisRows columns,
                                const T* x, T* y) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const std::int64_t pixel = i / s.channels, ow = pixel % s.width, oh = pixel / s.width % s.height;
  const T* image =
      x + pixel / s.width / s.height * s.from_height * s.from_width * s.channels + i % s.channels;
  float sum = 0;
  for (std::int32_t a = rows.start[oh]; a < rows.start[oh + 1]; ++a) {
    const T* row = image + rows.source[a] * s.from_width * s.channels;
    float part = 0;
    for (std::int32_t b = columns.start[ow]; b < columns.start[ow + 1]; ++b)
      part += columns.weight[b] * widen(row[columns.source[b] * s.channels]);
    sum += rows.weight[a] * part;
  }
  y[i] = narrow<T>(sum);
}

template <class T>
void resample(Context&, View x, View y, const ResampleAxis& rows, const ResampleAxis& columns) {
  const ResampleShape shape{x.size[1], x.size[2], y.size[1], y.size[2], y.size[3]};
  launch_elements<resample_kernel<T>>(y.numel(), shape, AxisRows(rows), AxisRows(columns), x.as<T>(),
                                      y.as<T>());
}

TSR_DEVICE_KERNEL(resample_fwd, resample, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
