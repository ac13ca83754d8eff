// Pooling of images, a thread an element of the result. Backwards gather as well: from each input position,
// over the windows that cover it, in their order.

#include "cuda/elements.h"
#include "cuda/numeric.h"
#include "tensor/kernels.h"
#include "tensor/pool_axes.h"

namespace tsr::TSR_BACKEND {
namespace {

/// An element of a batch of images [images, height, width, channels].
struct Place {
  std::int64_t image, row, column, channel;

  constexpr Place(std::int64_t i, std::int64_t height, std::int64_t width, std::int64_t channels)
      : image(i / channels / width / height),
        row(i / channels / width % height),
        column(i / channels % width),
        channel(i % channels) {}
};

template <class T>
__global__ void max_pool2d_kernel(std::int64_t count, PoolGeometry g, const T* x, T* y, std::int32_t* index) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const Place o(i, g.h.out, g.w.out, g.channels);
  const Span rows = g.h.inputs(o.row), columns = g.w.inputs(o.column);
  std::int64_t place = rows.begin * g.w.in + columns.begin;
  float best = widen(x[g.input(o.image, rows.begin, columns.begin) + o.channel]);
  for (std::int64_t ih = rows.begin; ih < rows.end; ih += rows.step)
    for (std::int64_t iw = columns.begin; iw < columns.end; iw += columns.step) {
      const float v = widen(x[g.input(o.image, ih, iw) + o.channel]);
      if (!(v > best || is_nan(v))) continue;
      best = v;
      place = ih * g.w.in + iw;
    }
  y[i] = narrow<T>(best);
  index[i] = static_cast<std::int32_t>(place);
}

template <class T>
__global__ void max_pool2d_grad_kernel(std::int64_t count, PoolGeometry g, const T* grad,
                                       const std::int32_t* index, T* grad_x) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const Place o(i, g.h.in, g.w.in, g.channels);
  const Span rows = g.h.windows(o.row), columns = g.w.windows(o.column);
  float total = 0;
  for (std::int64_t oh = rows.begin; oh < rows.end; ++oh)
    for (std::int64_t ow = columns.begin; ow < columns.end; ++ow) {
      const std::int64_t at = g.output(o.image, oh, ow) + o.channel;
      if (index[at] == o.row * g.w.in + o.column) total += widen(grad[at]);
    }
  grad_x[i] = narrow<T>(total);
}

template <class T>
__global__ void avg_pool2d_kernel(std::int64_t count, PoolGeometry g, const T* x, T* y) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const Place o(i, g.h.out, g.w.out, g.channels);
  const Span rows = g.h.inputs(o.row), columns = g.w.inputs(o.column);
  float total = 0;
  for (std::int64_t ih = rows.begin; ih < rows.end; ++ih)
    for (std::int64_t iw = columns.begin; iw < columns.end; ++iw)
      total += widen(x[g.input(o.image, ih, iw) + o.channel]);
  y[i] = narrow<T>(total / static_cast<float>(g.h.count(o.row) * g.w.count(o.column)));
}

template <class T>
__global__ void avg_pool2d_grad_kernel(std::int64_t count, PoolGeometry g, const T* grad, T* grad_x) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const Place o(i, g.h.in, g.w.in, g.channels);
  const Span rows = g.h.windows(o.row), columns = g.w.windows(o.column);
  float total = 0;
  for (std::int64_t oh = rows.begin; oh < rows.end; ++oh)
    for (std::int64_t ow = columns.begin; ow < columns.end; ++ow)
      total += widen(grad[g.output(o.image, oh, ow) + o.channel]) /
               static_cast<float>(g.h.count(oh) * g.w.count(ow));
  grad_x[i] = narrow<T>(total);
}

template <class T>
void max_forward(Context&, View x, View y, View index, const Pool2dParams& p, bool adaptive) {
  launch_elements<max_pool2d_kernel<T>>(y.numel(), PoolGeometry(x, y, p, adaptive), x.as<T>(), y.as<T>(),
                                        index.as<std::int32_t>());
}
template <class T>
void max_backward(Context&, View grad, View index, View grad_x, const Pool2dParams& p, bool adaptive) {
  launch_elements<max_pool2d_grad_kernel<T>>(grad_x.numel(), PoolGeometry(grad_x, grad, p, adaptive),
                                             grad.as<T>(), index.as<std::int32_t>(), grad_x.as<T>());
}
template <class T>
void average_forward(Context&, View x, View y, const Pool2dParams& p, bool adaptive) {
  launch_elements<avg_pool2d_kernel<T>>(y.numel(), PoolGeometry(x, y, p, adaptive), x.as<T>(), y.as<T>());
}
template <class T>
void average_backward(Context&, View grad, View grad_x, const Pool2dParams& p, bool adaptive) {
  launch_elements<avg_pool2d_grad_kernel<T>>(grad_x.numel(), PoolGeometry(grad_x, grad, p, adaptive),
                                             grad.as<T>(), grad_x.as<T>());
}

TSR_DEVICE_KERNEL(max_pool2d_fwd, max_forward, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(max_pool2d_bwd, max_backward, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(avg_pool2d_fwd, average_forward, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(avg_pool2d_bwd, average_backward, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
