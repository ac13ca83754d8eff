// Cases of the poolings.
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

Shape pooled(const Shape& x, const Pool2dParams& p) {
  return {x[0], (x[1] + 2 * p.pad_h - p.kernel_h) / p.stride_h + 1,
          (x[2] + 2 * p.pad_w - p.kernel_w) / p.stride_w + 1, x[3]};
}

/// Calls visit(flat index in y, flat index in x) for every pixel that a window covers, padding left out.
template <class Visit>
void for_each_window(const Shape& x, const Pool2dParams& p, Visit visit) {
  const Shape y = pooled(x, p);
  for (std::int64_t flat = 0; flat < y.numel(); ++flat) {
    const std::int64_t c = flat % y[3], ow = flat / y[3] % y[2], oh = flat / (y[3] * y[2]) % y[1],
                       n = flat / (y[3] * y[2] * y[1]);
    for (std::int64_t kh = 0; kh < p.kernel_h; ++kh)
      for (std::int64_t kw = 0; kw < p.kernel_w; ++kw) {
        const std::int64_t h = oh * p.stride_h - p.pad_h + kh, w = ow * p.stride_w - p.pad_w + kw;
        if (h >= 0 && h < x[1] && w >= 0 && w < x[2]) visit(flat, ((n * x[1] + h) * x[2] + w) * x[3] + c);
      }
  }
}

Tensor max_reference(const Tensor& x, const Pool2dParams& p) {
  Tensor y = full(pooled(x.shape(), p), -INFINITY, float64);
  for_each_window(x.shape(), p, [&](std::int64_t to, std::int64_t from) {
    y.data<double>()[to] = std::max(y.data<double>()[to], x.data<double>()[from]);
  });
  return y;
}

/// The gradient of the pooling at x, for a gradient of its output.
Tensor max_backward_reference(const Tensor& grad, const Tensor& x, const Pool2dParams& p) {
  std::vector<std::int64_t> winner(static_cast<std::size_t>(grad.numel()), -1);
  for_each_window(x.shape(), p, [&](std::int64_t to, std::int64_t from) {
    std::int64_t& best = winner[static_cast<std::size_t>(to)];
    if (best < 0 || x.data<double>()[from] > x.data<double>()[best]) best = from;
  });
  Tensor grad_x = zeros(x.shape(), float64);
  for (std::int64_t i = 0; i < grad.numel(); ++i)
    grad_x.data<double>()[winner[static_cast<std::size_t>(i)]] += grad.data<double>()[i];
  return grad_x;
}

Tensor average_reference(const Tensor& x, const Pool2dParams& p) {
  Tensor y = zeros(pooled(x.shape(), p), float64);
  for_each_window(x.shape(), p, [&](std::int64_t to, std::int64_t from) {
    y.data<double>()[to] += x.data<double>()[from] / (p.kernel_h * p.kernel_w);
  });
  return y;
}

Tensor average_backward_reference(const Tensor& grad, const Shape& x, const Pool2dParams& p) {
  Tensor grad_x = zeros(x, float64);
  for_each_window(x, p, [&](std::int64_t to, std::int64_t from) {
    grad_x.data<double>()[from] += grad.data<double>()[to] / (p.kernel_h * p.kernel_w);
  });
  return grad_x;
}

/// The gradient of `pool` at a point, as a function of the gradient of its output.
Tensor gradient_at(Tensor (*pool)(const Tensor&, const Pool2dParams&), const Tensor& point,
                   const Tensor& upstream, const Pool2dParams& p) {
  const GradMode record(true);  // values are asked for under NoGrad
  Tensor leaf = point.detach();
  leaf.requires_grad_();
  return grad(pool(leaf, p), {leaf}, upstream, {.create_graph = true})[0];
}

const std::vector<Shape> kShapes{{2, 5, 6, 3}, {1, 4, 4, 1}, {2, 7, 7, 19}, {0, 6, 6, 4}};

bool pooling(const Pool2dParams& p) {
  std::vector<Variant> values, gradients;
  for (const Shape& shape : kShapes) {
    values.push_back({{{shape, Values::distinct}}});
    gradients.push_back({{{pooled(shape, p)}, {shape, Values::distinct}}});
  }
  values.push_back({{{{2, 6, 5, 3}, Values::distinct, 0, true}}});
  values.push_back({{{{2, 6, 6, 5}, Values::equal}}, false});
  values.push_back({{{{3, 32, 33, 20}, Values::huge}}, false});
  gradients.push_back({{{pooled({2, 6, 6, 5}, p)}, {{2, 6, 6, 5}, Values::equal}}, false});
  return add_case({.name = "max_pool2d",
                   .kernels = {"max_pool2d_fwd", "max_pool2d_bwd"},
                   .call = [p](const Tensors& x) { return max_pool2d(x[0], p); },
                   .reference = [p](const Tensors& x) { return max_reference(x[0], p); },
                   .variants = values,
                   .benchmark = {{{64, 112, 112, 64}, Values::distinct}}}) &&
         add_case({.name = "max_pool2d_backward",
                   .kernels = {"max_pool2d_bwd"},
                   .call = [p](const Tensors& x) { return gradient_at(max_pool2d, x[1], x[0], p); },
                   .reference = [p](const Tensors& x) { return max_backward_reference(x[0], x[1], p); },
                   .variants = gradients}) &&
         add_case({.name = "avg_pool2d",
                   .kernels = {"avg_pool2d_fwd", "avg_pool2d_bwd"},
                   .call = [p](const Tensors& x) { return avg_pool2d(x[0], p); },
                   .reference = [p](const Tensors& x) { return average_reference(x[0], p); },
                   .variants = values,
                   .benchmark = {{{64, 112, 112, 64}, Values::distinct}}}) &&
         add_case({.name = "avg_pool2d_backward",
                   .kernels = {"avg_pool2d_bwd"},
                   .call = [p](const Tensors& x) { return gradient_at(avg_pool2d, x[1], x[0], p); },
                   .reference =
                       [p](const Tensors& x) { return average_backward_reference(x[0], x[1].shape(), p); },
                   .variants = gradients});
}

const bool added[] = {
    pooling({}),
    pooling({.kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1}),
    pooling({.kernel_h = 3, .kernel_w = 2, .stride_h = 1, .stride_w = 3, .pad_w = 1}),
    pooling({.kernel_h = 1, .kernel_w = 1, .stride_h = 3, .stride_w = 2}),
};

TEST_CASE("global average pooling is the mean over the pixels") {
  const Tensor x = draw_inputs({{{3, 4, 5, 6}}}, float64, 1)[0];
  const Tensor y = global_avg_pool(x);
  CHECK(y.shape() == Shape{3, 6});
  CHECK(max(abs(y - mean(x, {1, 2}))).item() < 1e-14);
}

TEST_CASE("max pooling lets NaN through, and its gradient goes there") {
  Tensor x = from_values({1, NAN, 5, 2}, {1, 2, 2, 1});
  x.requires_grad_();
  const Tensor y = max_pool2d(x);
  CHECK(std::isnan(y.item()));
  backward(y);
  CHECK(x.grad().data<float>()[1] == 1);
  CHECK(sum(x.grad()).item() == 1);
}

TEST_CASE("pooling says what doesn't fit") {
  CHECK_THROWS_WITH_AS(max_pool2d(zeros({2, 3, 4})),
                       "max_pool2d: float32[2, 3, 4] is not a batch of images [N, H, W, C]", Error);
  CHECK_THROWS_WITH_AS(avg_pool2d(zeros({1, 3, 3, 1}), {.kernel_h = 4}),
                       "avg_pool2d: a 4x2 kernel does not fit float32[1, 3, 3, 1] with padding 0x0; use a "
                       "smaller one",
                       Error);
  CHECK_THROWS_WITH_AS(
      max_pool2d(zeros({1, 3, 3, 1}), {.pad_w = 2}),
      "max_pool2d: padding 0x2 for a kernel 2x2; need at least 0 and at most half of the kernel", Error);
}

}  // namespace
}  // namespace tsr::test
