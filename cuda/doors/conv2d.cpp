// Convolution through cuDNN's door. Images and weights are dense NHWC and [out, kh, kw, in / groups] already:
// the library's own NHWC layouts. What is added to a convolution is written first, and the convolution added
// to it (beta 1), so that a sum is rounded once.

#include "cuda/dnn.h"
#include "cuda/variants.h"
#include "tensor/error.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

int narrow_size(std::int64_t size) {
  TSR_CHECK(size <= INT32_MAX, "cudnn: convolution: a size of ", size,
            " is beyond 2^31 - 1; take handwritten kernels");
  return static_cast<int>(size);
}

dnn::Images images(const View& x) {
  return {.n = narrow_size(x.size[0]),
          .c = narrow_size(x.size[3]),
          .h = narrow_size(x.size[1]),
          .w = narrow_size(x.size[2])};
}

template <class T>
dnn::ConvolutionCall describe(dnn::Pass result, const View& x, const View& weight, const View& y,
                              const Conv2dParams& p) {
  return {.convolution = {.result = result,
                          .dtype = dtype_of<T>,
                          .x = images(x),
                          .y = images(y),
                          .filters = {.k = narrow_size(weight.size[0]),
                                      .c = narrow_size(weight.size[3]),
                                      .h = narrow_size(weight.size[1]),
                                      .w = narrow_size(weight.size[2])},
                          .pad_h = p.pad_h,
                          .pad_w = p.pad_w,
                          .stride_h = p.stride_h,
                          .stride_w = p.stride_w,
                          .dilation_h = p.dilation_h,
                          .dilation_w = p.dilation_w,
                          .groups = p.groups},
          .x = x.data,
          .filters = weight.data,
          .y = y.data};
}

template <class T>
void forward(Context& context, View x, View weight, View y, const Conv2dParams& params,
             const Conv2dEpilogue& e) {
  if (y.numel() == 0) return;
  dnn::ConvolutionCall call = describe<T>(dnn::Pass::y, x, weight, y, params);
  const bool biased = e.bias.data != nullptr, residual = e.residual.data != nullptr;
  if (biased && residual) {
    View bias = e.bias;  // of y's rank, as pointwise kernels have it
    bias.rank = y.rank;
    for (int axis = 0; axis < y.rank; ++axis)
      bias.size[axis] = y.size[axis], bias.stride[axis] = axis + 1 == y.rank ? 1 : 0;
    add_fwd(context, e.residual, bias, y);
  } else if (biased || residual) {
    copy_fwd(context, biased ? e.bias : e.residual, y);
  }
  call.beta = biased || residual ? 1 : 0;
  convolve(context, call);
  if (e.relu) relu_fwd(context, y, y);
}

template <class T>
void backward_input(Context& context, View grad, View weight, View grad_x, const Conv2dParams& params) {
  if (grad_x.numel() == 0) return;
  convolve(context, describe<T>(dnn::Pass::x, grad_x, weight, grad, params));
}

template <class T>
void backward_weight(Context& context, View grad, View x, View grad_weight, const Conv2dParams& params) {
  if (grad_weight.numel() == 0) return;
  if (grad.numel() == 0) return fill_fwd(context, grad_weight, 0);
  convolve(context, describe<T>(dnn::Pass::filters, x, grad_weight, grad, params));
}

TSR_VARIANT_KERNEL(kLibrary, conv2d_fwd, forward, float, BFloat16, Float16);
TSR_VARIANT_KERNEL(kLibrary, conv2d_bwd_input, backward_input, float, BFloat16, Float16);
TSR_VARIANT_KERNEL(kLibrary, conv2d_bwd_weight, backward_weight, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
