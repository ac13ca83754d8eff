// What cuDNN does with its arguments, by plain loops over the images.

#include "cuda/dnn.h"
#include "cuda/elements.h"
#include "cuda/numeric.h"

namespace tsr::TSR_BACKEND {
namespace {

using dnn::Convolution;

__device__ std::int64_t place(const dnn::Images& images, int n, int h, int w, int c) {
  return ((std::int64_t{n} * images.h + h) * images.w + w) * images.c + c;
}
__device__ std::int64_t place(const dnn::Filters& filters, int k, int h, int w, int c) {
  return ((std::int64_t{k} * filters.h + h) * filters.w + w) * filters.c + c;
}
/// Whether output pixel (h, w) sees a pixel of x under tap (r, s), and which.
struct Seen {
  int h, w;
  bool inside;
  __device__ Seen(const Convolution& c, int out_h, int out_w, int r, int s)
      : h(out_h * c.stride_h - c.pad_h + r * c.dilation_h),
        w(out_w * c.stride_w - c.pad_w + s * c.dilation_w),
        inside(h >= 0 && h < c.x.h && w >= 0 && w < c.x.w) {}
};

template <class T>
__device__ float at(const void* data, std::int64_t index) {
  return widen(static_cast<const T*>(data)[index]);
}
template <class T>
__device__ void blend(const dnn::ConvolutionCall& call, void* result, std::int64_t index, float sum) {
  T& to = static_cast<T*>(result)[index];
  // with beta 0 what the result held is not read: it may be NaN
  to = narrow<T>(call.beta == 0 ? call.alpha * sum : call.alpha * sum + call.beta * widen(to));
}

/// A thread an element of y.
template <class T>
__global__ void convolution_forward_stand_in_kernel(std::int64_t count, dnn::ConvolutionCall call) {
  const std::int64_t index = element_index();
  if (index >= count) return;
  const Convolution& c = call.convolution;
  const int k = static_cast<int>(index % c.y.c), w = static_cast<int>(index / c.y.c % c.y.w),
            h = static_cast<int>(index / c.y.c / c.y.w % c.y.h),
            n = static_cast<int>(index / c.y.c / c.y.w / c.y.h),
            first = k / (c.filters.k / c.groups) * c.filters.c;
  float sum = 0;
  for (int r = 0; r < c.filters.h; ++r)
    for (int s = 0; s < c.filters.w; ++s) {
      const Seen seen(c, h, w, r, s);
      if (!seen.inside) continue;
      for (int j = 0; j < c.filters.c; ++j)
        sum += at<T>(call.x, place(c.x, n, seen.h, seen.w, first + j)) *
               at<T>(call.filters, place(c.filters, k, r, s, j));
    }
  blend<T>(call, call.y, index, sum);
}

/// A thread an element of x: asks every tap of every output pixel that may see it.
template <class T>
__global__ void convolution_backward_data_stand_in_kernel(std::int64_t count, dnn::ConvolutionCall call) {
  const std::int64_t index = element_index();
  if (index >= count) return;
  const Convolution& c = call.convolution;
  const int channel = static_cast<int>(index % c.x.c), w = static_cast<int>(index / c.x.c % c.x.w),
            h = static_cast<int>(index / c.x.c / c.x.w % c.x.h),
            n = static_cast<int>(index / c.x.c / c.x.w / c.x.h), outputs = c.filters.k / c.groups,
            first = channel / c.filters.c * outputs;
  float sum = 0;
  for (int r = 0; r < c.filters.h; ++r)
    for (int s = 0; s < c.filters.w; ++s) {
      const int ahead_h = h + c.pad_h - r * c.dilation_h, ahead_w = w + c.pad_w - s * c.dilation_w;
      const int out_h = ahead_h / c.stride_h, out_w = ahead_w / c.stride_w;
      if (ahead_h < 0 || ahead_h % c.stride_h != 0 || out_h >= c.y.h || ahead_w < 0 ||
          ahead_w % c.stride_w != 0 || out_w >= c.y.w)
        continue;
      for (int k = first; k < first + outputs; ++k)
        sum += at<T>(call.y, place(c.y, n, out_h, out_w, k)) *
               at<T>(call.filters, place(c.filters, k, r, s, channel % c.filters.c));
    }
  blend<T>(call, call.x, index, sum);
}

/// A thread an element of the filters.
template <class T>
__global__ void convolution_backward_filter_stand_in_kernel(std::int64_t count, dnn::ConvolutionCall call) {
  const std::int64_t index = element_index();
  if (index >= count) return;
  const Convolution& c = call.convolution;
  const dnn::Filters& f = c.filters;
  const int j = static_cast<int>(index % f.c), s = static_cast<int>(index / f.c % f.w),
            r = static_cast<int>(index / f.c / f.w % f.h), k = static_cast<int>(index / f.c / f.w / f.h),
            channel = k / (f.k / c.groups) * f.c + j;
  float sum = 0;
  for (int n = 0; n < c.y.n; ++n)
    for (int h = 0; h < c.y.h; ++h)
      for (int w = 0; w < c.y.w; ++w)
        if (const Seen seen(c, h, w, r, s); seen.inside)
          sum +=
              at<T>(call.y, place(c.y, n, h, w, k)) * at<T>(call.x, place(c.x, n, seen.h, seen.w, channel));
  blend<T>(call, call.filters, index, sum);
}

std::int64_t elements(const dnn::Images& images) {
  return std::int64_t{images.n} * images.h * images.w * images.c;
}

template <class T>
void launch_stand_in(const dnn::ConvolutionCall& call) {
  const Convolution& c = call.convolution;
  switch (c.result) {
    case dnn::Pass::y:
      return launch_elements<convolution_forward_stand_in_kernel<T>>(elements(c.y), call);
    case dnn::Pass::x:
      return launch_elements<convolution_backward_data_stand_in_kernel<T>>(elements(c.x), call);
    case dnn::Pass::filters:
      return launch_elements<convolution_backward_filter_stand_in_kernel<T>>(
          std::int64_t{c.filters.k} * c.filters.h * c.filters.w * c.filters.c, call);
  }
}

}  // namespace

void convolve(Context&, const dnn::ConvolutionCall& call) {
  dnn::check(call);
  switch (call.convolution.dtype) {
    case DType::bfloat16:
      return launch_stand_in<BFloat16>(call);
    case DType::float16:
      return launch_stand_in<Float16>(call);
    default:
      return launch_stand_in<float>(call);
  }
}

}  // namespace tsr::TSR_BACKEND
