// Pooling of images.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kMaxPool("max_pool2d"), kMaxPoolBackward("max_pool2d_backward"), kAvgPool("avg_pool2d"),
    kAvgPoolBackward("avg_pool2d_backward"), kAdaptiveMaxPool("adaptive_max_pool2d"),
    kAdaptiveAvgPool("adaptive_avg_pool2d");

/// One axis of a pooling by windows of fixed size.
struct PoolAxis {
  std::int64_t in;
  int kernel, stride, pad, dilation;
  bool ceil_mode;

  std::int64_t reach() const { return std::int64_t{dilation} * (kernel - 1) + 1; }
  /// At most 0 where not even one window fits.
  std::int64_t windows() const {
    const std::int64_t room = in + 2 * pad - reach() + (ceil_mode ? stride - 1 : 0);
    if (room < 0) return 0;
    const std::int64_t count = room / stride + 1;
    // A window that the image's end cuts off must begin before that end, or in the padding on the left.
    return ceil_mode && (count - 1) * stride >= in + pad ? count - 1 : count;
  }
  /// Whether a tap of the window falls on a pixel.
  bool sees_a_pixel(std::int64_t window) const {
    for (std::int64_t tap = 0; tap < kernel; ++tap) {
      const std::int64_t at = window * stride - pad + tap * dilation;
      if (at >= 0 && at < in) return true;
    }
    return false;
  }
};

void check_images(const char* op, const Tensor& x) {
  TSR_CHECK(x.rank() == 4, op, ": ", describe(x), " is not a batch of images [N, H, W, C]");
}

/// The result's shape, after the checks that all poolings share.
Shape pooled_shape(const char* op, const Tensor& x, const Pool2dParams& p) {
  check_images(op, x);
  TSR_CHECK(p.kernel_h > 0 && p.kernel_w > 0 && p.stride_h > 0 && p.stride_w > 0 && p.dilation_h > 0 &&
                p.dilation_w > 0,
            op, ": kernel ", p.kernel_h, "x", p.kernel_w, ", stride ", p.stride_h, "x", p.stride_w,
            ", dilation ", p.dilation_h, "x", p.dilation_w, "; all must be positive");
  const PoolAxis h{x.size(1), p.kernel_h, p.stride_h, p.pad_h, p.dilation_h, p.ceil_mode},
      w{x.size(2), p.kernel_w, p.stride_w, p.pad_w, p.dilation_w, p.ceil_mode};
  TSR_CHECK(p.pad_h >= 0 && p.pad_w >= 0 && 2 * p.pad_h <= p.kernel_h && 2 * p.pad_w <= p.kernel_w, op,
            ": padding ", p.pad_h, "x", p.pad_w, " for a kernel ", p.kernel_h, "x", p.kernel_w,
            "; need at least 0 and at most half of the kernel");
  TSR_CHECK(h.windows() > 0 && w.windows() > 0, op, ": a ", h.reach(), "x", w.reach(),
            " kernel does not fit ", describe(x), " with padding ", p.pad_h, "x", p.pad_w,
            "; use a smaller one");
  for (const PoolAxis& axis : {h, w})
    for (std::int64_t window = 0; window < axis.windows(); ++window)
      TSR_CHECK(axis.sees_a_pixel(window), op, ": window ", window, " of an axis of ", axis.in,
                " pixels sees nothing but padding; use less padding or dilation");
  return {x.size(0), h.windows(), w.windows(), x.size(3)};
}

Shape adaptive_shape(const char* op, const Tensor& x, std::int64_t height, std::int64_t width) {
  check_images(op, x);
  TSR_CHECK(height > 0 && width > 0, op, ": ", height, "x", width, " windows; both must be positive");
  TSR_CHECK(x.size(1) > 0 && x.size(2) > 0, op, ": ", describe(x), " has no pixels to pool");
  return {x.size(0), height, width, x.size(3)};
}

/// Windows of either kind.
struct Windows {
  Pool2dParams params = {};
  bool adaptive = false;
};

/// Images [N, H, W, C] as [N, H·W, C].
Tensor merge_pixels(const Tensor& x) { return reshape(x, {x.size(0), x.size(1) * x.size(2), x.size(3)}); }

/// Linear in grad; its own derivative gathers at the positions of the maxima.
Tensor max_backward(const Tensor& given_grad, const Tensor& index, const Shape& x_shape, const Windows& w) {
  const Tensor grad = contiguous(given_grad);
  Op op(kMaxPoolBackward, {grad, index});
  const Tensor grad_x = op.empty(x_shape);
  max_pool2d_bwd(op, grad.view(), index.view(), grad_x.view(), w.params, w.adaptive);
  return op.record(grad_x,
                   [index = op.save(index), shape = grad.shape()](const Tensor& second, const Needs&) {
                     const Tensor places = merge_pixels(cast(index.get(), int64));
                     return Tensors{reshape(gather(merge_pixels(second), 1, places), shape), {}};
                   });
}

Tensor max_forward(Op& op, const Tensor& x, const Shape& y_shape, const Windows& w) {
  const Tensor y = op.empty(y_shape), index = op.empty(y_shape, int32);
  max_pool2d_fwd(op, x.view(), y.view(), index.view(), w.params, w.adaptive);
  return op.record(y, [index = op.save(index), from = x.shape(), w](const Tensor& grad, const Needs&) {
    return Tensors{max_backward(grad, index.get(), from, w)};
  });
}

Tensor average_backward(const Tensor& grad, const Shape& x_shape, const Windows& w);

Tensor average_forward(Op& op, const Tensor& x, const Shape& y_shape, const Windows& w) {
  const Tensor y = op.empty(y_shape);
  avg_pool2d_fwd(op, x.view(), y.view(), w.params, w.adaptive);
  return op.record(y, [from = x.shape(), w](const Tensor& grad, const Needs&) {
    return Tensors{average_backward(grad, from, w)};
  });
}

Tensor average_backward(const Tensor& given_grad, const Shape& x_shape, const Windows& w) {
  const Tensor grad = contiguous(given_grad);
  Op op(kAvgPoolBackward, {grad});
  const Tensor grad_x = op.empty(x_shape);
  avg_pool2d_bwd(op, grad.view(), grad_x.view(), w.params, w.adaptive);
  return op.record(grad_x, [shape = grad.shape(), w](const Tensor& given_second, const Needs&) {
    const Tensor second = contiguous(given_second);
    Op forward(w.adaptive ? kAdaptiveAvgPool : kAvgPool, {second});
    return Tensors{average_forward(forward, second, shape, w)};
  });
}

}  // namespace

Tensor max_pool2d(const Tensor& given_x, const Pool2dParams& p) {
  const Tensor x = contiguous(given_x);
  Op op(kMaxPool, {x});
  return max_forward(op, x, pooled_shape(op.name(), x, p), {p});
}

Tensor avg_pool2d(const Tensor& given_x, const Pool2dParams& p) {
  const Tensor x = contiguous(given_x);
  Op op(kAvgPool, {x});
  TSR_CHECK(p.dilation_h == 1 && p.dilation_w == 1, "avg_pool2d: dilation ", p.dilation_h, "x", p.dilation_w,
            "; averages are over whole windows, leave it at 1");
  return average_forward(op, x, pooled_shape(op.name(), x, p), {p});
}

Tensor adaptive_max_pool2d(const Tensor& given_x, std::int64_t height, std::int64_t width) {
  const Tensor x = contiguous(given_x);
  Op op(kAdaptiveMaxPool, {x});
  return max_forward(op, x, adaptive_shape(op.name(), x, height, width), {.adaptive = true});
}

Tensor adaptive_avg_pool2d(const Tensor& given_x, std::int64_t height, std::int64_t width) {
  const Tensor x = contiguous(given_x);
  Op op(kAdaptiveAvgPool, {x});
  return average_forward(op, x, adaptive_shape(op.name(), x, height, width), {.adaptive = true});
}

Tensor global_avg_pool(const Tensor& x) {
  TSR_CHECK(x.rank() == 4, "global_avg_pool: ", describe(x), " is not a batch of images [N, H, W, C]");
  const int height = static_cast<int>(x.size(1)), width = static_cast<int>(x.size(2));
  return reshape(avg_pool2d(x, {.kernel_h = height, .kernel_w = width, .stride_h = 1, .stride_w = 1}),
                 {x.size(0), x.size(3)});
}

}  // namespace tsr
