#include "tensor/cpu/conv.h"

#include <algorithm>

#include "tensor/cpu/conv_patches.h"
#include "tensor/cpu/depthwise.h"
#include "tensor/error.h"

namespace tsr::cpu {
namespace {

using std::int64_t;

std::vector<int64_t> tap_offsets(int64_t kernel, int64_t dilation, int64_t pad) {
  std::vector<int64_t> taps(static_cast<std::size_t>(kernel));
  for (int64_t i = 0; i < kernel; ++i) taps[static_cast<std::size_t>(i)] = i * dilation - pad;
  return taps;
}

/// The patches of x that y's pixels see, in group `group`; for `widest` see prefer_position_major.
template <class S>
Patches<S> input_patches(const Conv2dGeometry& g, const S* x, int64_t group, int64_t widest) {
  const int64_t channels = g.in_c / g.groups;
  return {.image = x + group * channels,
          .order = {g.batch, g.out_h(), g.out_w(),
                    prefer_position_major(g.batch, g.out_w(), widest, g.kernel_h * g.kernel_w, channels)},
          .height = g.in_h,
          .width = g.in_w,
          .channels = channels,
          .pixel_stride = g.in_c,
          .stride_h = g.stride_h,
          .stride_w = g.stride_w,
          .tap_y = tap_offsets(g.kernel_h, g.dilation_h, g.pad_h),
          .tap_x = tap_offsets(g.kernel_w, g.dilation_w, g.pad_w)};
}

/// y's pixels, first channel of a group.
PixelMap output_pixels(const Conv2dGeometry& g, const PixelOrder& order, int64_t group) {
  return {.order = order,
          .image_height = order.height,
          .image_width = order.width,
          .stride = g.out_c,
          .offset = group * (g.out_c / g.groups)};
}

/// Passes a group's tiles on with the channels counted from the first group.
template <class T>
struct GroupEpilogue {
  Epilogue<T> inner;
  int64_t first_channel;

  Epilogue<T> epilogue() const {
    if (!inner.apply) return {};
    return {[](const void* state, const FinishedTile<T>& tile) {
              const auto& self = *static_cast<const GroupEpilogue*>(state);
              FinishedTile<T> shifted = tile;
              shifted.col += self.first_channel;
              self.inner.apply(self.inner.state, shifted);
            },
            this};
  }
};

}  // namespace

void Conv2dGeometry::check() const {
  TSR_CHECK(batch >= 0 && in_h > 0 && in_w > 0 && in_c > 0 && out_c > 0 && kernel_h > 0 && kernel_w > 0,
            "conv2d: batch ", batch, ", image ", in_h, "x", in_w, "x", in_c, ", kernel ", kernel_h, "x",
            kernel_w, "x", out_c, ": every size must be positive (the batch may be 0)");
  TSR_CHECK(stride_h > 0 && stride_w > 0 && dilation_h > 0 && dilation_w > 0 && pad_h >= 0 && pad_w >= 0,
            "conv2d: stride ", stride_h, "x", stride_w, " and dilation ", dilation_h, "x", dilation_w,
            " must be positive, padding ", pad_h, "x", pad_w, " not negative");
  TSR_CHECK(groups > 0 && in_c % groups == 0 && out_c % groups == 0, "conv2d: ", groups,
            " groups must divide ", in_c, " input and ", out_c, " output channels");
  TSR_CHECK(in_h + 2 * pad_h > dilation_h * (kernel_h - 1) && in_w + 2 * pad_w > dilation_w * (kernel_w - 1),
            "conv2d: a ", kernel_h, "x", kernel_w, " kernel (dilation ", dilation_h, "x", dilation_w,
            ") does not fit a ", in_h, "x", in_w, " image with padding ", pad_h, "x", pad_w, "; pad more");
}

template <class S>
void conv2d_forward(const Conv2dGeometry& g, const S* x, const S* weight, S* y,
                    const Epilogue<Compute<S>>& epilogue) {
  using T = Compute<S>;
  g.check();
  if (is_depthwise(g)) return depthwise_forward(g, x, weight, y, epilogue);
  const int64_t outputs = g.out_c / g.groups;
  for (int64_t group = 0; group < g.groups; ++group) {
    const Patches<S> patches = input_patches(g, x, group, kWidestRows);
    const PixelMap pixels = output_pixels(g, patches.order, group);
    const int64_t depth = patches.columns();
    const StridedMatrix<S> transposed{weight + group * outputs * depth, 1, depth};
    const GroupEpilogue<T> shifted{epilogue, group * outputs};
    Output<T> c = output(y);
    c.offsets = pixel_offsets;
    c.state = &pixels;
    Gemm<T> product{.m = patches.order.count(),
                    .n = outputs,
                    .k = depth,
                    .a = patches_a(patches),
                    .b = strided_b(transposed),
                    .c = c,
                    .epilogue = g.groups == 1 ? epilogue : shifted.epilogue()};
    if (patches.order.position_major) {
      product.row_group = patches.order.images;
      product.depth_group = g.kernel_w * patches.channels;
    }
    gemm(product);
  }
}

template <class S>
void conv2d_grad_weight(const Conv2dGeometry& g, const S* grad_y, const S* x, S* grad_weight) {
  using T = Compute<S>;
  g.check();
  if (is_depthwise(g)) return depthwise_grad_weight(g, grad_y, x, grad_weight);
  const int64_t outputs = g.out_c / g.groups;
  for (int64_t group = 0; group < g.groups; ++group) {
    const Patches<S> patches = input_patches(g, x, group, kWidestDepth);
    const PixelColumns<S> columns{grad_y, output_pixels(g, patches.order, group)};
    const int64_t n = patches.columns();
    Output<T> c = output(grad_weight + group * outputs * n);
    c.row_stride = n;
    Gemm<T> product{.m = outputs,
                    .n = n,
                    .k = patches.order.count(),
                    .a = pixel_columns_a(columns),
                    .b = patches_b(patches),
                    .c = c};
    if (patches.order.position_major) product.depth_group = patches.order.images;
    gemm(product);
  }
}

#define CONV2D(S)                                                                                           \
  template void conv2d_forward(const Conv2dGeometry&, const S*, const S*, S*, const Epilogue<Compute<S>>&); \
  template void conv2d_grad_weight(const Conv2dGeometry&, const S*, const S*, S*);
CONV2D(float)
CONV2D(double)
CONV2D(BFloat16)
CONV2D(Float16)
#undef CONV2D

}  // namespace tsr::cpu
