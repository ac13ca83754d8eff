// Convolution and its two gradients: three ops, each linear in both operands, that are one another's
// derivatives.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kConv2d("conv2d", CastPolicy::low), kBackwardInput("conv2d_backward_input"),
    kBackwardWeight("conv2d_backward_weight");

/// Positions along one axis of the result.
std::int64_t out_size(std::int64_t in, std::int64_t kernel, int stride, int pad, int dilation) {
  return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
}

void check_operands(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dParams& p) {
  TSR_CHECK(x.rank() == 4 && weight.rank() == 4, "conv2d: x ", describe(x), ", weight ", describe(weight),
            "; need x [N, H, W, in] and weight [out, kernel_h, kernel_w, in/groups]");
  TSR_CHECK(p.groups > 0 && weight.size(0) % p.groups == 0 && x.size(3) == weight.size(3) * p.groups,
            "conv2d: x ", describe(x), " has ", x.size(3), " channels, weight ", describe(weight), " takes ",
            weight.size(3), " in each of ", p.groups, " groups");
  TSR_CHECK(!bias.defined() || bias.shape() == Shape{weight.size(0)}, "conv2d: bias ", describe(bias),
            " for weight ", describe(weight), "; need one value a channel, [", weight.size(0), "]");
}

void check_geometry(const Tensor& x, const Tensor& weight, const Conv2dParams& p) {
  TSR_CHECK(p.stride_h > 0 && p.stride_w > 0 && p.dilation_h > 0 && p.dilation_w > 0 && p.pad_h >= 0 &&
                p.pad_w >= 0,
            "conv2d: stride ", p.stride_h, "x", p.stride_w, ", dilation ", p.dilation_h, "x", p.dilation_w,
            ", padding ", p.pad_h, "x", p.pad_w,
            "; strides and dilations must be positive, padding at least 0");
  const std::int64_t reach_h = p.dilation_h * (weight.size(1) - 1) + 1,
                     reach_w = p.dilation_w * (weight.size(2) - 1) + 1;
  TSR_CHECK(weight.numel() > 0 && x.size(1) + 2 * p.pad_h >= reach_h && x.size(2) + 2 * p.pad_w >= reach_w,
            "conv2d: weight ", describe(weight), " reaches over ", reach_h, "x", reach_w, " pixels, x ",
            describe(x), " with padding ", p.pad_h, "x", p.pad_w, " has ", x.size(1) + 2 * p.pad_h, "x",
            x.size(2) + 2 * p.pad_w, "; pad more");
}

Tensor backward_weight(const Tensor& grad, const Tensor& x, const Shape& weight_shape, const Conv2dParams& p);

Tensor backward_input(const Tensor& given_grad, const Tensor& given_weight, const Shape& x_shape,
                      const Conv2dParams& p) {
  const Tensor grad = contiguous(given_grad), weight = contiguous(given_weight);
  Op op(kBackwardInput, {grad, weight});
  const Tensor grad_x = op.empty(x_shape);
  conv2d_bwd_input(op, grad.view(), weight.view(), grad_x.view(), p);
  return op.record(
      grad_x, [grad = op.save(grad), weight = op.save(weight), p](const Tensor& second, const Needs& needs) {
        return Tensors{needs[0] ? conv2d(second, weight.get(), {}, p) : Tensor(),
                       needs[1] ? backward_weight(grad.get(), second, weight.get().shape(), p) : Tensor()};
      });
}

Tensor backward_weight(const Tensor& given_grad, const Tensor& given_x, const Shape& weight_shape,
                       const Conv2dParams& p) {
  const Tensor grad = contiguous(given_grad), x = contiguous(given_x);
  Op op(kBackwardWeight, {grad, x});
  const Tensor grad_weight = op.empty(weight_shape);
  conv2d_bwd_weight(op, grad.view(), x.view(), grad_weight.view(), p);
  return op.record(
      grad_weight, [grad = op.save(grad), x = op.save(x), p](const Tensor& second, const Needs& needs) {
        return Tensors{needs[0] ? conv2d(x.get(), second, {}, p) : Tensor(),
                       needs[1] ? backward_input(grad.get(), second, x.get().shape(), p) : Tensor()};
      });
}

void check_transpose(const Tensor& x, const Tensor& weight, const Tensor& bias,
                     const ConvTranspose2dParams& p) {
  TSR_CHECK(x.rank() == 4 && weight.rank() == 4 && weight.numel() > 0, "conv_transpose2d: x ", describe(x),
            ", weight ", describe(weight),
            "; need x [N, H, W, in] and weight [in, kernel_h, kernel_w, out/groups]");
  TSR_CHECK(p.groups > 0 && x.size(3) == weight.size(0) && weight.size(0) % p.groups == 0,
            "conv_transpose2d: x ", describe(x), " has ", x.size(3), " channels, weight ", describe(weight),
            " takes ", weight.size(0), " in ", p.groups, " groups; they must agree and divide evenly");
  TSR_CHECK(!bias.defined() || bias.shape() == Shape{weight.size(3) * p.groups}, "conv_transpose2d: bias ",
            describe(bias), " for weight ", describe(weight), "; need one value a channel, [",
            weight.size(3) * p.groups, "]");
  TSR_CHECK(p.stride_h > 0 && p.stride_w > 0 && p.dilation_h > 0 && p.dilation_w > 0 && p.pad_h >= 0 &&
                p.pad_w >= 0,
            "conv_transpose2d: stride ", p.stride_h, "x", p.stride_w, ", dilation ", p.dilation_h, "x",
            p.dilation_w, ", padding ", p.pad_h, "x", p.pad_w,
            "; strides and dilations must be positive, padding at least 0");
  TSR_CHECK(p.output_pad_h >= 0 && p.output_pad_h < p.stride_h && p.output_pad_w >= 0 &&
                p.output_pad_w < p.stride_w,
            "conv_transpose2d: output padding ", p.output_pad_h, "x", p.output_pad_w, " for stride ",
            p.stride_h, "x", p.stride_w, "; need at least 0 and less than the stride");
}

/// Pixels along one axis of conv_transpose2d's result.
std::int64_t transposed_size(std::int64_t in, std::int64_t kernel, int stride, int pad, int dilation,
                             int output_pad) {
  return (in - 1) * stride - 2 * pad + dilation * (kernel - 1) + output_pad + 1;
}

}  // namespace

Tensor conv2d(const Tensor& given_x, const Tensor& given_weight, const Tensor& given_bias,
              const Conv2dParams& p) {
  const Tensor dense_x = contiguous(given_x), dense_weight = contiguous(given_weight),
               dense_bias = given_bias.defined() ? contiguous(given_bias) : Tensor();
  Op op = dense_bias.defined() ? Op(kConv2d, {dense_x, dense_weight, dense_bias})
                               : Op(kConv2d, {dense_x, dense_weight});
  const Tensor &x = op[0], &weight = op[1], bias = given_bias.defined() ? op[2] : Tensor();
  check_operands(x, weight, bias, p);
  check_geometry(x, weight, p);
  const Tensor y =
      op.empty({x.size(0), out_size(x.size(1), weight.size(1), p.stride_h, p.pad_h, p.dilation_h),
                out_size(x.size(2), weight.size(2), p.stride_w, p.pad_w, p.dilation_w), weight.size(0)});
  Conv2dEpilogue epilogue;
  if (bias.defined()) epilogue.bias = bias.view();
  conv2d_fwd(op, x.view(), weight.view(), y.view(), p, epilogue);
  return op.record(y, [x = op.save(x), weight = op.save(weight), biased = bias.defined(), p](
                          const Tensor& grad, const Needs& needs) {
    Tensors grads{needs[0] ? backward_input(grad, weight.get(), x.get().shape(), p) : Tensor(),
                  needs[1] ? backward_weight(grad, x.get(), weight.get().shape(), p) : Tensor()};
    if (biased) grads.push_back(needs[2] ? sum_to(grad, {grad.size(-1)}) : Tensor());
    return grads;
  });
}

Tensor conv_transpose2d(const Tensor& given_x, const Tensor& given_weight, const Tensor& given_bias,
                        const ConvTranspose2dParams& p) {
  TSR_CHECK(given_x.defined() && given_weight.defined(), "conv_transpose2d: x or weight is undefined");
  const Tensors inputs = cast_inputs(CastPolicy::low, {given_x, given_weight, given_bias});
  const Tensor &x = inputs[0], &weight = inputs[1], &bias = inputs[2];
  check_transpose(x, weight, bias, p);
  const Shape shape{
      x.size(0),
      transposed_size(x.size(1), weight.size(1), p.stride_h, p.pad_h, p.dilation_h, p.output_pad_h),
      transposed_size(x.size(2), weight.size(2), p.stride_w, p.pad_w, p.dilation_w, p.output_pad_w),
      weight.size(3) * p.groups};
  TSR_CHECK(x.size(1) > 0 && x.size(2) > 0 && shape[1] > 0 && shape[2] > 0, "conv_transpose2d: x ",
            describe(x), " and weight ", describe(weight), " with padding ", p.pad_h, "x", p.pad_w, " give ",
            shape[1], "x", shape[2], " pixels; pad less");
  const Tensor y = backward_input(x, weight, shape,
                                  {.stride_h = p.stride_h,
                                   .stride_w = p.stride_w,
                                   .pad_h = p.pad_h,
                                   .pad_w = p.pad_w,
                                   .dilation_h = p.dilation_h,
                                   .dilation_w = p.dilation_w,
                                   .groups = p.groups});
  return bias.defined() ? y + bias : y;
}

}  // namespace tsr
