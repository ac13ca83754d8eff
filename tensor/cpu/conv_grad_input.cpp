// The gradient of a convolution with respect to its image.
#include <algorithm>
#include <vector>

#include "tensor/cpu/conv.h"
#include "tensor/cpu/conv_patches.h"
#include "tensor/cpu/depthwise.h"

namespace tsr::cpu {
namespace {

using std::int64_t;

/// Along one axis: the image pixels phase, phase + stride, … (`count` of them), and the taps that reach them.
/// Image pixel phase + stride·i receives kernel tap `tap[t]` from output i + offset[t]; offsets ascend.
struct Phase {
  int64_t phase, count;
  std::vector<int64_t> tap, offset;

  Phase(int64_t phase, int64_t extent, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation)
      : phase(phase), count((extent - phase + stride - 1) / stride) {
    for (int64_t t = kernel - 1; t >= 0; --t) {
      const int64_t distance = phase + pad - t * dilation;
      if (distance % stride != 0) continue;
      tap.push_back(t);
      offset.push_back(distance / stride);
    }
  }
};

std::vector<Phase> phases(int64_t extent, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  std::vector<Phase> result;
  for (int64_t phase = 0; phase < std::min(stride, extent); ++phase) {
    result.emplace_back(phase, extent, kernel, stride, pad, dilation);
  }
  return result;
}

template <class S>
void grad_of_phase(const Conv2dGeometry& g, int64_t group, const Phase& vertical, const Phase& horizontal,
                   const S* grad_y, const S* weight, S* grad_x) {
  using T = Compute<S>;
  const int64_t outputs = g.out_c / g.groups, channels = g.in_c / g.groups;
  const auto taps = static_cast<int64_t>(vertical.tap.size() * horizontal.tap.size());
  const PixelOrder order{g.batch, vertical.count, horizontal.count,
                         prefer_position_major(g.batch, horizontal.count, kWidestRows, taps, outputs)};
  const Patches<S> patches{.image = grad_y + group * outputs,
                           .order = order,
                           .height = g.out_h(),
                           .width = g.out_w(),
                           .channels = outputs,
                           .pixel_stride = g.out_c,
                           .stride_h = 1,
                           .stride_w = 1,
                           .tap_y = vertical.offset,
                           .tap_x = horizontal.offset};
  const TapWeights<S> weights{.weight = weight + group * outputs * g.kernel_h * g.kernel_w * channels,
                              .outputs = outputs,
                              .channels = channels,
                              .kernel_h = g.kernel_h,
                              .kernel_w = g.kernel_w,
                              .tap_row = vertical.tap,
                              .tap_col = horizontal.tap};
  const PixelMap pixels{.order = order,
                        .image_height = g.in_h,
                        .image_width = g.in_w,
                        .stride = g.in_c,
                        .step_y = g.stride_h,
                        .step_x = g.stride_w,
                        .offset = (vertical.phase * g.in_w + horizontal.phase) * g.in_c + group * channels};
  Output<T> c = output(grad_x);
  c.offsets = pixel_offsets;
  c.state = &pixels;
  Gemm<T> product{.m = order.count(),
                  .n = channels,
                  .k = taps * outputs,
                  .a = patches_a(patches),
                  .b = tap_weights_b(weights),
                  .c = c};
  if (order.position_major) {
    product.row_group = order.images;
    product.depth_group = static_cast<int64_t>(horizontal.tap.size()) * outputs;
  }
  gemm(product);
}

}  // namespace

template <class S>
void conv2d_grad_input(const Conv2dGeometry& g, const S* grad_y, const S* weight, S* grad_x) {
  g.check();
  if (is_depthwise(g)) return depthwise_grad_input(g, grad_y, weight, grad_x);
  for (int64_t group = 0; group < g.groups; ++group) {
    for (const Phase& y : phases(g.in_h, g.kernel_h, g.stride_h, g.pad_h, g.dilation_h)) {
      for (const Phase& x : phases(g.in_w, g.kernel_w, g.stride_w, g.pad_w, g.dilation_w)) {
        grad_of_phase(g, group, y, x, grad_y, weight, grad_x);
      }
    }
  }
}

template void conv2d_grad_input(const Conv2dGeometry&, const float*, const float*, float*);
template void conv2d_grad_input(const Conv2dGeometry&, const double*, const double*, double*);
template void conv2d_grad_input(const Conv2dGeometry&, const BFloat16*, const BFloat16*, BFloat16*);
template void conv2d_grad_input(const Conv2dGeometry&, const Float16*, const Float16*, Float16*);

}  // namespace tsr::cpu
