// Cases of the transposed convolution, which shares its op with conv2d's gradient.
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

/// Every pixel of x stamps the kernel on y.
Tensor stamped(const Tensors& in, const ConvTranspose2dParams& p) {
  const Shape &x = in[0].shape(), &w = in[1].shape();
  const std::int64_t outputs = w[3], channels = w[0] / p.groups;
  const Shape y{x[0], (x[1] - 1) * p.stride_h - 2 * p.pad_h + p.dilation_h * (w[1] - 1) + p.output_pad_h + 1,
                (x[2] - 1) * p.stride_w - 2 * p.pad_w + p.dilation_w * (w[2] - 1) + p.output_pad_w + 1,
                outputs * p.groups};
  Tensor sum = zeros(y, float64);
  double* to = sum.data<double>();
  for (std::int64_t i = 0; i < sum.numel(); ++i) to[i] = in[2].data<double>()[i % y[3]];
  for (std::int64_t flat = 0; flat < in[0].numel(); ++flat) {
    const std::int64_t c = flat % x[3], iw = flat / x[3] % x[2], ih = flat / (x[3] * x[2]) % x[1],
                       n = flat / (x[3] * x[2] * x[1]);
    for (std::int64_t kh = 0; kh < w[1]; ++kh)
      for (std::int64_t kw = 0; kw < w[2]; ++kw) {
        const std::int64_t h = ih * p.stride_h - p.pad_h + kh * p.dilation_h,
                           v = iw * p.stride_w - p.pad_w + kw * p.dilation_w;
        if (h < 0 || h >= y[1] || v < 0 || v >= y[2]) continue;
        for (std::int64_t o = 0; o < outputs; ++o)
          to[((n * y[1] + h) * y[2] + v) * y[3] + c / channels * outputs + o] +=
              in[0].data<double>()[flat] * in[1].data<double>()[((c * w[1] + kh) * w[2] + kw) * outputs + o];
      }
  }
  return sum;
}

bool transposed(const Shape& x, const Shape& weight, const ConvTranspose2dParams& p, bool gradients = true) {
  return add_case({.name = "conv_transpose2d",
                   .kernels = {"conv2d_bwd_input"},
                   .call = [p](const Tensors& in) { return conv_transpose2d(in[0], in[1], in[2], p); },
                   .reference = [p](const Tensors& in) { return stamped(in, p); },
                   .variants = {{{{x}, {weight}, {{weight[3] * p.groups}}}},
                                {{{x, Values::normal, 0, true},
                                  {weight, Values::normal, 0, true},
                                  {{weight[3] * p.groups}}}}},
                   .differentiable = gradients ? Differentiable::twice : Differentiable::no,
                   .tolerance32 = 1e-4,
                   .tolerance64 = 1e-11});
}

const bool conv_transpose2d_cases[] = {
    transposed({2, 3, 4, 2}, {2, 3, 3, 3}, {}),
    transposed({1, 3, 2, 3}, {3, 3, 2, 2}, {.stride_h = 2, .stride_w = 3, .pad_h = 1, .output_pad_w = 2}),
    transposed({1, 3, 3, 2}, {2, 2, 3, 2},
               {.stride_h = 2, .pad_w = 2, .dilation_h = 2, .dilation_w = 2, .output_pad_h = 1}),
    transposed({1, 3, 3, 4}, {4, 2, 2, 1}, {.stride_h = 2, .stride_w = 2, .groups = 2}),
    transposed({1, 3, 4, 3}, {3, 3, 3, 1},
               {.stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1, .groups = 3}),
    transposed({2, 3, 2, 3}, {3, 1, 1, 2}, {}),
    transposed({0, 3, 3, 2}, {2, 2, 2, 2}, {.stride_h = 2, .stride_w = 2}),
    transposed({1, 1, 1, 1}, {1, 1, 1, 1}, {}),
    transposed({3, 9, 8, 37}, {37, 4, 4, 19}, {.stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1}, false),
};

TEST_CASE("transposed convolution says what doesn't fit") {
  const Tensor x = zeros({1, 3, 3, 4}), weight = zeros({4, 3, 3, 2});
  CHECK_THROWS_WITH_AS(
      conv_transpose2d(x, zeros({2, 3, 3, 4})),
      "conv_transpose2d: x float32[1, 3, 3, 4] has 4 channels, weight float32[2, 3, 3, 4] takes "
      "2 in 1 groups; they must agree and divide evenly",
      Error);
  CHECK_THROWS_WITH_AS(
      conv_transpose2d(x, weight, {}, {.output_pad_h = 1}),
      "conv_transpose2d: output padding 1x0 for stride 1x1; need at least 0 and less than the "
      "stride",
      Error);
  CHECK_THROWS_WITH_AS(
      conv_transpose2d(x, weight, {}, {.pad_w = 3}),
      "conv_transpose2d: x float32[1, 3, 3, 4] and weight float32[4, 3, 3, 2] with padding 0x3 "
      "give 5x-1 pixels; pad less",
      Error);
  CHECK_THROWS_WITH_AS(conv_transpose2d(x, weight, zeros({4})),
                       "conv_transpose2d: bias float32[4] for weight float32[4, 3, 3, 2]; need one value a "
                       "channel, [2]",
                       Error);
  CHECK_THROWS_WITH_AS(
      conv_transpose2d(x, weight, {}, {.stride_w = 0}),
      "conv_transpose2d: stride 1x0, dilation 1x1, padding 0x0; strides and dilations must be "
      "positive, padding at least 0",
      Error);
  CHECK_THROWS_WITH_AS(
      conv_transpose2d(zeros({3, 3, 4}), weight),
      "conv_transpose2d: x float32[3, 3, 4], weight float32[4, 3, 3, 2]; need x [N, H, W, in] and "
      "weight [in, kernel_h, kernel_w, out/groups]",
      Error);
}

}  // namespace
}  // namespace tsr::test
