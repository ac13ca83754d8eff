// Cases of convolution and its two gradients.
#include <algorithm>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

/// A convolution by its sizes alone.
struct Geometry {
  Shape x, weight;
  Conv2dParams p;

  Shape y() const {
    const auto size = [](std::int64_t in, std::int64_t kernel, int stride, int pad, int dilation) {
      return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
    };
    return {x[0], size(x[1], weight[1], p.stride_h, p.pad_h, p.dilation_h),
            size(x[2], weight[2], p.stride_w, p.pad_w, p.dilation_w), weight[0]};
  }
};

/// Calls visit(flat indices in x, weight, y) for every product that the convolution sums.
template <class Visit>
void for_each_product(const Geometry& g, Visit visit) {
  const Shape &x = g.x, &w = g.weight, y = g.y();
  const std::int64_t outputs = w[0] / g.p.groups;
  for (std::int64_t flat = 0; flat < y.numel(); ++flat) {
    const std::int64_t o = flat % y[3], ow = flat / y[3] % y[2], oh = flat / (y[3] * y[2]) % y[1],
                       n = flat / (y[3] * y[2] * y[1]);
    for (std::int64_t kh = 0; kh < w[1]; ++kh)
      for (std::int64_t kw = 0; kw < w[2]; ++kw) {
        const std::int64_t h = oh * g.p.stride_h - g.p.pad_h + kh * g.p.dilation_h,
                           v = ow * g.p.stride_w - g.p.pad_w + kw * g.p.dilation_w;
        if (h < 0 || h >= x[1] || v < 0 || v >= x[2]) continue;
        for (std::int64_t c = 0; c < w[3]; ++c)
          visit(((n * x[1] + h) * x[2] + v) * x[3] + o / outputs * w[3] + c,
                ((o * w[1] + kh) * w[2] + kw) * w[3] + c, flat);
      }
  }
}

enum class Role { x, weight, y };

/// The sum over all products of the other two operands: the convolution and both of its gradients.
Tensor contract(const Geometry& g, Role result, const Tensor& first, const Tensor& second) {
  Tensor sum = zeros(result == Role::x ? g.x : result == Role::weight ? g.weight : g.y(), float64);
  double* to = sum.data<double>();
  const double *a = first.data<double>(), *b = second.data<double>();
  for_each_product(g, [&](std::int64_t x, std::int64_t weight, std::int64_t y) {
    switch (result) {
      case Role::x:
        to[x] += a[y] * b[weight];
        break;
      case Role::weight:
        to[weight] += a[y] * b[x];
        break;
      case Role::y:
        to[y] += a[x] * b[weight];
        break;
    }
  });
  return sum;
}

Tensor biased(const Tensor& y, const Tensor& bias) {
  for (std::int64_t i = 0; i < y.numel(); ++i) y.data<double>()[i] += bias.data<double>()[i % bias.numel()];
  return y;
}

/// The gradient of conv2d at (x, weight) with respect to one of them, recorded.
Tensor gradient(const Tensor& upstream, Tensor x, Tensor weight, bool of_x, const Conv2dParams& p) {
  const GradMode record(true);  // values are asked for under NoGrad
  Tensor& wanted = of_x ? x : weight;
  wanted.requires_grad_();
  return grad(conv2d(x, weight, {}, p), {wanted}, upstream, {.create_graph = true})[0];
}

/// The three cases of a geometry; finite differences only where it is small.
bool convolution(const Geometry& g, bool gradients, bool strided = false) {
  const double tolerance = 1e-4;  // sums of hundreds of products
  const Differentiable differentiable = gradients ? Differentiable::twice : Differentiable::no;
  const Conv2dParams p = g.p;
  const Variant with_bias{{{g.x, Values::normal, 0, strided}, {g.weight}, {{g.weight[0]}}}};
  return add_case({.name = "conv2d",
                   .kernels = {"conv2d_fwd"},
                   .call = [p](const Tensors& in) { return conv2d(in[0], in[1], in[2], p); },
                   .reference =
                       [g](const Tensors& in) { return biased(contract(g, Role::y, in[0], in[1]), in[2]); },
                   .variants = {with_bias},
                   .differentiable = differentiable,
                   .tolerance32 = tolerance,
                   .tolerance64 = 1e-11}) &&
         add_case({.name = "conv2d_backward_input",
                   .kernels = {"conv2d_bwd_input"},
                   .call =
                       [g](const Tensors& in) {
                         return gradient(in[0], zeros(g.x, in[0].dtype()).to(in[0].device()), in[1], true,
                                         g.p);
                       },
                   .reference = [g](const Tensors& in) { return contract(g, Role::x, in[0], in[1]); },
                   .variants = {{{{g.y(), Values::normal, 0, strided}, {g.weight}}}},
                   .differentiable = differentiable,
                   .tolerance32 = tolerance,
                   .tolerance64 = 1e-11}) &&
         add_case({.name = "conv2d_backward_weight",
                   .kernels = {"conv2d_bwd_weight"},
                   .call =
                       [g](const Tensors& in) {
                         return gradient(in[0], in[1], zeros(g.weight, in[0].dtype()).to(in[0].device()),
                                         false, g.p);
                       },
                   .reference = [g](const Tensors& in) { return contract(g, Role::weight, in[0], in[1]); },
                   .variants = {{{{g.y(), Values::normal, 0, strided}, {g.x}}}},
                   .differentiable = differentiable,
                   .tolerance32 = tolerance,
                   .tolerance64 = 1e-11});
}

/// The slot with all of its epilogue, of which conv2d asks for the bias alone.
bool with_epilogue(const Geometry& g) {
  return add_case({.name = "conv2d",
                   .kernels = {"conv2d_fwd"},
                   .call =
                       [g](const Tensors& in) {
                         Tensor y = zeros(g.y(), in[0].dtype()).to(in[0].device());
                         Context context(y.device());
                         conv2d_fwd(context, in[0].view(), in[1].view(), y.view(), g.p,
                                    {.bias = in[2].view(), .residual = in[3].view(), .relu = true});
                         return y;
                       },
                   .reference =
                       [g](const Tensors& in) {
                         Tensor y = biased(contract(g, Role::y, in[0], in[1]), in[2]);
                         for (std::int64_t i = 0; i < y.numel(); ++i)
                           y.data<double>()[i] = std::max(0.0, y.data<double>()[i] + in[3].data<double>()[i]);
                         return y;
                       },
                   .variants = {{{{g.x}, {g.weight}, {{g.weight[0]}}, {g.y()}}}},
                   .differentiable = Differentiable::no,
                   .tolerance64 = 1e-11});
}

const bool conv2d_cases[] = {
    with_epilogue({{2, 5, 4, 3}, {7, 3, 3, 3}, {.pad_h = 1, .pad_w = 1}}),
    with_epilogue({{1, 5, 5, 4}, {6, 3, 3, 2}, {.groups = 2}}),
    with_epilogue({{2, 5, 4, 3}, {3, 3, 3, 1}, {.pad_h = 1, .pad_w = 1, .groups = 3}}),
    with_epilogue({{2, 7, 6, 16}, {24, 3, 3, 16}, {.pad_h = 1, .pad_w = 1}}),
    convolution({{2, 5, 4, 3}, {2, 3, 3, 3}, {.pad_h = 1, .pad_w = 1}}, true),
    convolution({{2, 5, 4, 3}, {2, 3, 3, 3}, {.pad_h = 1, .pad_w = 1}}, true, true),
    convolution({{1, 6, 7, 1}, {3, 3, 2, 1}, {.stride_h = 2, .stride_w = 2, .pad_h = 1}}, true),
    convolution({{2, 4, 4, 3}, {5, 1, 1, 3}, {}}, true),
    convolution({{1, 5, 5, 4}, {3, 1, 1, 4}, {.stride_h = 2, .stride_w = 2}}, true),
    convolution({{1, 7, 6, 2}, {2, 3, 3, 2}, {.pad_h = 2, .pad_w = 2, .dilation_h = 2, .dilation_w = 2}},
                true),
    convolution({{1, 5, 5, 4}, {4, 3, 3, 2}, {.pad_h = 1, .pad_w = 1, .groups = 2}}, true),
    convolution({{0, 5, 5, 3}, {4, 3, 3, 3}, {}}, true),
    // pointwise, the plain product: in groups; and with padding, which is not one
    convolution({{2, 3, 3, 4}, {6, 1, 1, 2}, {.groups = 2}}, true),
    convolution({{1, 3, 3, 2}, {3, 1, 1, 2}, {.pad_h = 1, .pad_w = 1}}, true),
    // groups with stride, dilation, kernels and paddings that differ between the axes
    convolution({{1, 5, 6, 4}, {6, 3, 2, 2}, {.stride_h = 2, .pad_h = 1, .groups = 2}}, true),
    convolution({{1, 6, 5, 6}, {3, 2, 2, 2}, {.pad_h = 1, .pad_w = 2, .dilation_h = 2, .groups = 3}}, true),
    // depthwise
    convolution({{2, 5, 4, 3}, {3, 3, 3, 1}, {.pad_h = 1, .pad_w = 1, .groups = 3}}, true),
    convolution({{2, 5, 4, 3}, {3, 3, 3, 1}, {.pad_h = 1, .pad_w = 1, .groups = 3}}, true, true),
    convolution({{2, 3, 3, 3}, {3, 1, 1, 1}, {.groups = 3}}, true),
    convolution({{1, 6, 7, 3}, {3, 3, 2, 1}, {.stride_h = 2, .stride_w = 2, .pad_h = 1, .groups = 3}}, true),
    convolution({{1, 7, 8, 2},
                 {2, 3, 3, 1},
                 {.stride_h = 2,
                  .stride_w = 3,
                  .pad_h = 2,
                  .pad_w = 3,
                  .dilation_h = 3,
                  .dilation_w = 2,
                  .groups = 2}},
                true),
    convolution({{1, 4, 2, 2}, {2, 2, 3, 1}, {.stride_h = 5, .pad_w = 4, .groups = 2}}, true),
    convolution({{0, 5, 4, 3}, {6, 3, 3, 1}, {.groups = 3}}, true),
    // depthwise with a multiplier; with more than there are groups, where each group is a product
    convolution({{2, 5, 4, 3}, {6, 3, 3, 1}, {.pad_h = 1, .pad_w = 1, .groups = 3}}, true),
    convolution({{1, 6, 5, 3}, {9, 2, 3, 1}, {.stride_h = 2, .stride_w = 1, .pad_w = 1, .groups = 3}}, true),
    convolution({{1, 4, 4, 2}, {8, 3, 3, 1}, {.pad_h = 1, .pad_w = 1, .groups = 2}}, true),
    convolution({{3, 9, 11, 70}, {70, 3, 3, 1}, {.pad_h = 1, .pad_w = 1, .groups = 70}}, false),
    convolution({{2, 12, 13, 40}, {120, 5, 3, 1}, {.stride_h = 2, .stride_w = 2, .pad_h = 2, .groups = 40}},
                false),
    convolution({{2, 9, 9, 32}, {64, 3, 3, 8}, {.stride_h = 2, .stride_w = 2, .pad_h = 1, .groups = 4}},
                false),
    convolution({{3, 9, 7, 70}, {45, 1, 1, 70}, {}}, false),
    convolution({{3, 5, 7, 64}, {48, 1, 1, 32}, {.groups = 2}}, false),
    // channels of whole 16 bytes in bfloat16, beyond a tile of the tensor cores
    convolution({{2, 7, 6, 16}, {24, 3, 3, 16}, {.pad_h = 1, .pad_w = 1}}, false),
    convolution({{1, 13, 11, 8}, {72, 2, 3, 8}, {.stride_w = 2, .pad_h = 2, .dilation_h = 2}}, false),
    convolution({{2, 15, 17, 3}, {9, 7, 7, 3}, {.stride_h = 2, .stride_w = 2, .pad_h = 3, .pad_w = 3}},
                false),
    convolution({{3, 9, 8, 19}, {37, 3, 3, 19}, {.pad_h = 1, .pad_w = 1}}, false),
    convolution({{3, 9, 8, 19}, {37, 3, 3, 19}, {.stride_h = 2, .stride_w = 1, .pad_h = 1}}, false),
};

TEST_CASE("convolution says what doesn't fit") {
  CHECK_THROWS_WITH_AS(
      conv2d(zeros({1, 8, 8, 3}), zeros({4, 3, 3, 1})),
      "conv2d: x float32[1, 8, 8, 3] has 3 channels, weight float32[4, 3, 3, 1] takes 1 in each "
      "of 1 groups",
      Error);
  CHECK_THROWS_WITH_AS(
      conv2d(zeros({1, 2, 8, 3}), zeros({4, 3, 3, 3})),
      "conv2d: weight float32[4, 3, 3, 3] reaches over 3x3 pixels, x float32[1, 2, 8, 3] with "
      "padding 0x0 has 2x8; pad more",
      Error);
  CHECK_THROWS_WITH_AS(
      conv2d(zeros({8, 8, 3}), zeros({4, 3, 3, 3})),
      "conv2d: x float32[8, 8, 3], weight float32[4, 3, 3, 3]; need x [N, H, W, in] and weight "
      "[out, kernel_h, kernel_w, in/groups]",
      Error);
  CHECK_THROWS_WITH_AS(
      conv2d(zeros({1, 8, 8, 3}), zeros({4, 3, 3, 3}), zeros({3})),
      "conv2d: bias float32[3] for weight float32[4, 3, 3, 3]; need one value a channel, [4]", Error);
  CHECK_THROWS_WITH_AS(
      conv2d(zeros({1, 8, 8, 3}), zeros({4, 3, 3, 3}), {}, {.stride_h = 0}),
      "conv2d: stride 0x1, dilation 1x1, padding 0x0; strides and dilations must be positive, "
      "padding at least 0",
      Error);
}

}  // namespace
}  // namespace tsr::test
