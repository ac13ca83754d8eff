// Convolution's three kernels: from views to the implicit matrix products of conv.h.
#include "tensor/cpu/conv.h"
#include "tensor/cpu/epilogue.h"
#include "tensor/kernels.h"

namespace tsr::cpu {
namespace {

Conv2dGeometry geometry(const View& x, const View& weight, const Conv2dParams& p) {
  return {.batch = x.size[0],
          .in_h = x.size[1],
          .in_w = x.size[2],
          .in_c = x.size[3],
          .out_c = weight.size[0],
          .kernel_h = weight.size[1],
          .kernel_w = weight.size[2],
          .stride_h = p.stride_h,
          .stride_w = p.stride_w,
          .pad_h = p.pad_h,
          .pad_w = p.pad_w,
          .dilation_h = p.dilation_h,
          .dilation_w = p.dilation_w,
          .groups = p.groups};
}

template <class S>
void forward(Context& context, View x, View weight, View y, const Conv2dParams& params,
             const Conv2dEpilogue& e) {
  const BiasResidualRelu<Compute<S>> finish{.bias = epilogue_operand<S>(context, e.bias),
                                            .residual = epilogue_operand<S>(context, e.residual),
                                            .relu = e.relu};
  conv2d_forward(geometry(x, weight, params), x.as<S>(), weight.as<S>(), y.as<S>(), finish.epilogue());
}

template <class S>
void backward_input(Context&, View grad, View weight, View grad_x, const Conv2dParams& params) {
  conv2d_grad_input(geometry(grad_x, weight, params), grad.as<S>(), weight.as<S>(), grad_x.as<S>());
}

template <class S>
void backward_weight(Context&, View grad, View x, View grad_weight, const Conv2dParams& params) {
  conv2d_grad_weight(geometry(x, grad_weight, params), grad.as<S>(), x.as<S>(), grad_weight.as<S>());
}

TSR_CPU_KERNEL(conv2d_fwd, forward, float, double, BFloat16, Float16);
TSR_CPU_KERNEL(conv2d_bwd_input, backward_input, float, double, BFloat16, Float16);
TSR_CPU_KERNEL(conv2d_bwd_weight, backward_weight, float, double, BFloat16, Float16);

}  // namespace
}  // namespace tsr::cpu
