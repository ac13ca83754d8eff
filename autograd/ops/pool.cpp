// Pooling of images.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kMaxPool("max_pool2d"), kMaxPoolBackward("max_pool2d_backward"), kAvgPool("avg_pool2d"),
    kAvgPoolBackward("avg_pool2d_backward");

/// The result's shape, after the checks that all poolings share.
Shape pooled_shape(const char* op, const Tensor& x, const Pool2dParams& p) {
  TSR_CHECK(x.rank() == 4, op, ": ", describe(x), " is not a batch of images [N, H, W, C]");
  TSR_CHECK(p.kernel_h > 0 && p.kernel_w > 0 && p.stride_h > 0 && p.stride_w > 0, op, ": kernel ", p.kernel_h,
            "x", p.kernel_w, ", stride ", p.stride_h, "x", p.stride_w, "; all must be positive");
  TSR_CHECK(p.pad_h >= 0 && p.pad_w >= 0 && 2 * p.pad_h <= p.kernel_h && 2 * p.pad_w <= p.kernel_w, op,
            ": padding ", p.pad_h, "x", p.pad_w, " for a kernel ", p.kernel_h, "x", p.kernel_w,
            "; need at least 0 and at most half of the kernel");
  const std::int64_t room_h = x.size(1) + 2 * p.pad_h - p.kernel_h,
                     room_w = x.size(2) + 2 * p.pad_w - p.kernel_w;
  TSR_CHECK(room_h >= 0 && room_w >= 0, op, ": a ", p.kernel_h, "x", p.kernel_w, " kernel does not fit ",
            describe(x), " with padding ", p.pad_h, "x", p.pad_w, "; use a smaller one");
  return {x.size(0), room_h / p.stride_h + 1, room_w / p.stride_w + 1, x.size(3)};
}

/// Images [N, H, W, C] as [N, H·W, C].
Tensor merge_pixels(const Tensor& x) { return reshape(x, {x.size(0), x.size(1) * x.size(2), x.size(3)}); }

/// Linear in grad; its own derivative gathers at the positions of the maxima.
Tensor max_pool2d_backward(const Tensor& given_grad, const Tensor& index, const Shape& x_shape,
                           const Pool2dParams& p) {
  const Tensor grad = contiguous(given_grad);
  Op op(kMaxPoolBackward, {grad, index});
  const Tensor grad_x = op.empty(x_shape);
  max_pool2d_bwd(op, grad.view(), index.view(), grad_x.view(), p);
  return op.record(grad_x,
                   [index = op.save(index), shape = grad.shape()](const Tensor& second, const Needs&) {
                     const Tensor places = merge_pixels(cast(index.get(), int64));
                     return Tensors{reshape(gather(merge_pixels(second), 1, places), shape), {}};
                   });
}

Tensor avg_pool2d_backward(const Tensor& given_grad, const Shape& x_shape, const Pool2dParams& p) {
  const Tensor grad = contiguous(given_grad);
  Op op(kAvgPoolBackward, {grad});
  const Tensor grad_x = op.empty(x_shape);
  avg_pool2d_bwd(op, grad.view(), grad_x.view(), p);
  return op.record(grad_x,
                   [p](const Tensor& second, const Needs&) { return Tensors{avg_pool2d(second, p)}; });
}

}  // namespace

Tensor max_pool2d(const Tensor& given_x, const Pool2dParams& p) {
  const Tensor x = contiguous(given_x);
  Op op(kMaxPool, {x});
  const Tensor y = op.empty(pooled_shape("max_pool2d", x, p)), index = op.empty(y.shape(), int32);
  max_pool2d_fwd(op, x.view(), y.view(), index.view(), p);
  return op.record(y, [index = op.save(index), from = x.shape(), p](const Tensor& grad, const Needs&) {
    return Tensors{max_pool2d_backward(grad, index.get(), from, p)};
  });
}

Tensor avg_pool2d(const Tensor& given_x, const Pool2dParams& p) {
  const Tensor x = contiguous(given_x);
  Op op(kAvgPool, {x});
  const Tensor y = op.empty(pooled_shape("avg_pool2d", x, p));
  avg_pool2d_fwd(op, x.view(), y.view(), p);
  return op.record(y, [from = x.shape(), p](const Tensor& grad, const Needs&) {
    return Tensors{avg_pool2d_backward(grad, from, p)};
  });
}

Tensor global_avg_pool(const Tensor& x) {
  TSR_CHECK(x.rank() == 4, "global_avg_pool: ", describe(x), " is not a batch of images [N, H, W, C]");
  const int height = static_cast<int>(x.size(1)), width = static_cast<int>(x.size(2));
  return reshape(avg_pool2d(x, {.kernel_h = height, .kernel_w = width, .stride_h = 1, .stride_w = 1}),
                 {x.size(0), x.size(3)});
}

}  // namespace tsr
