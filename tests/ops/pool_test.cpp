// Cases of the poolings.
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

/// A pooling by windows of fixed size or, where `height` is positive, to height x width windows.
struct Pooling {
  Pool2dParams p = {};
  std::int64_t height = 0, width = 0;
};

/// The taps of a window along an axis, padding (below 0, or from `in` on) with them.
using Taps = std::vector<std::int64_t>;

std::vector<Taps> fixed_windows(std::int64_t in, int kernel, int stride, int pad, int dilation, bool ceil) {
  std::vector<Taps> windows;
  const std::int64_t reach = dilation * (kernel - 1) + 1, end = in + pad;
  for (std::int64_t first = -pad;; first += stride) {
    const bool reached = !windows.empty() && first - stride + reach >= end;
    if (first + reach > end && !(ceil && !reached && first < in)) break;
    windows.emplace_back();
    for (std::int64_t at = first; at < first + reach; at += dilation)
      if (at < end) windows.back().push_back(at);
  }
  return windows;
}

std::vector<Taps> adaptive_windows(std::int64_t in, std::int64_t out) {
  std::vector<Taps> windows(static_cast<std::size_t>(out));
  for (std::int64_t o = 0; o < out; ++o)
    for (std::int64_t at = 0; at < in; ++at)  // overlaps [o·in/out, (o+1)·in/out)
      if ((at + 1) * out > o * in && at * out < (o + 1) * in)
        windows[static_cast<std::size_t>(o)].push_back(at);
  return windows;
}

std::vector<Taps> windows_of(const Pooling& q, const Shape& x, int axis) {
  const Pool2dParams& p = q.p;
  if (q.height > 0) return adaptive_windows(x[axis], axis == 1 ? q.height : q.width);
  return axis == 1 ? fixed_windows(x[1], p.kernel_h, p.stride_h, p.pad_h, p.dilation_h, p.ceil_mode)
                   : fixed_windows(x[2], p.kernel_w, p.stride_w, p.pad_w, p.dilation_w, p.ceil_mode);
}

Shape pooled(const Shape& x, const Pooling& q) {
  return {x[0], static_cast<std::int64_t>(windows_of(q, x, 1).size()),
          static_cast<std::int64_t>(windows_of(q, x, 2).size()), x[3]};
}

/// Calls visit(flat index in y, flat index in x, count) for every pixel that a window covers, padding left
/// out; an average is over `count`.
template <class Visit>
void for_each_window(const Shape& x, const Pooling& q, Visit visit) {
  const Shape y = pooled(x, q);
  const auto rows = windows_of(q, x, 1), columns = windows_of(q, x, 2);
  for (std::int64_t flat = 0; flat < y.numel(); ++flat) {
    const std::int64_t c = flat % y[3], ow = flat / y[3] % y[2], oh = flat / (y[3] * y[2]) % y[1],
                       n = flat / (y[3] * y[2] * y[1]);
    std::vector<std::int64_t> inside;
    std::int64_t taps = 0;
    for (const std::int64_t h : rows[static_cast<std::size_t>(oh)])
      for (const std::int64_t w : columns[static_cast<std::size_t>(ow)]) {
        ++taps;
        if (h >= 0 && h < x[1] && w >= 0 && w < x[2])
          inside.push_back(((n * x[1] + h) * x[2] + w) * x[3] + c);
      }
    for (const std::int64_t from : inside)
      visit(flat, from, q.p.count_include_pad ? taps : static_cast<std::int64_t>(inside.size()));
  }
}

Tensor max_reference(const Tensor& x, const Pooling& q) {
  Tensor y = full(pooled(x.shape(), q), -INFINITY, float64);
  for_each_window(x.shape(), q, [&](std::int64_t to, std::int64_t from, std::int64_t) {
    y.data<double>()[to] = std::max(y.data<double>()[to], x.data<double>()[from]);
  });
  return y;
}

/// The gradient of the pooling at x, for a gradient of its output.
Tensor max_backward_reference(const Tensor& grad, const Tensor& x, const Pooling& q) {
  std::vector<std::int64_t> winner(static_cast<std::size_t>(grad.numel()), -1);
  for_each_window(x.shape(), q, [&](std::int64_t to, std::int64_t from, std::int64_t) {
    std::int64_t& best = winner[static_cast<std::size_t>(to)];
    if (best < 0 || x.data<double>()[from] > x.data<double>()[best]) best = from;
  });
  Tensor grad_x = zeros(x.shape(), float64);
  for (std::int64_t i = 0; i < grad.numel(); ++i)
    grad_x.data<double>()[winner[static_cast<std::size_t>(i)]] += grad.data<double>()[i];
  return grad_x;
}

Tensor average_reference(const Tensor& x, const Pooling& q) {
  Tensor y = zeros(pooled(x.shape(), q), float64);
  for_each_window(x.shape(), q, [&](std::int64_t to, std::int64_t from, std::int64_t count) {
    y.data<double>()[to] += x.data<double>()[from] / static_cast<double>(count);
  });
  return y;
}

Tensor average_backward_reference(const Tensor& grad, const Shape& x, const Pooling& q) {
  Tensor grad_x = zeros(x, float64);
  for_each_window(x, q, [&](std::int64_t to, std::int64_t from, std::int64_t count) {
    grad_x.data<double>()[from] += grad.data<double>()[to] / static_cast<double>(count);
  });
  return grad_x;
}

Tensor max_of(const Tensor& x, const Pooling& q) {
  return q.height > 0 ? adaptive_max_pool2d(x, q.height, q.width) : max_pool2d(x, q.p);
}

Tensor average_of(const Tensor& x, const Pooling& q) {
  return q.height > 0 ? adaptive_avg_pool2d(x, q.height, q.width) : avg_pool2d(x, q.p);
}

/// The gradient of `pool` at a point, as a function of the gradient of its output.
Tensor gradient_at(Tensor (*pool)(const Tensor&, const Pooling&), const Tensor& point, const Tensor& upstream,
                   const Pooling& q) {
  const GradMode record(true);  // values are asked for under NoGrad
  Tensor leaf = point.detach();
  leaf.requires_grad_();
  return grad(pool(leaf, q), {leaf}, upstream, {.create_graph = true})[0];
}

/// Inputs of a pooling, and of its gradient.
struct PoolVariants {
  std::vector<Variant> values, gradients;

  explicit PoolVariants(const Pooling& q) {
    for (const Shape& shape : std::vector<Shape>{{2, 5, 6, 3}, {1, 4, 4, 1}, {2, 7, 7, 19}, {0, 6, 6, 4}}) {
      values.push_back({{{shape, Values::distinct}}});
      gradients.push_back({{{pooled(shape, q)}, {shape, Values::distinct}}});
    }
    values.push_back({{{{2, 6, 5, 3}, Values::distinct, 0, true}}});
    values.push_back({{{{2, 6, 6, 5}, Values::equal}}, false});
    values.push_back({{{{3, 32, 33, 20}, Values::huge}}, false});
    gradients.push_back({{{pooled({2, 6, 6, 5}, q)}, {{2, 6, 6, 5}, Values::equal}}, false});
  }
};

bool max_pooling(const Pooling& q) {
  const PoolVariants variants(q);
  return add_case({.name = q.height > 0 ? "adaptive_max_pool2d" : "max_pool2d",
                   .kernels = {"max_pool2d_fwd", "max_pool2d_bwd"},
                   .call = [q](const Tensors& x) { return max_of(x[0], q); },
                   .reference = [q](const Tensors& x) { return max_reference(x[0], q); },
                   .variants = variants.values,
                   .benchmark = {{{64, 112, 112, 64}, Values::distinct}}}) &&
         add_case({.name = "max_pool2d_backward",
                   .kernels = {"max_pool2d_bwd"},
                   .call = [q](const Tensors& x) { return gradient_at(max_of, x[1], x[0], q); },
                   .reference = [q](const Tensors& x) { return max_backward_reference(x[0], x[1], q); },
                   .variants = variants.gradients});
}

bool average_pooling(const Pooling& q) {
  const PoolVariants variants(q);
  return add_case({.name = q.height > 0 ? "adaptive_avg_pool2d" : "avg_pool2d",
                   .kernels = {"avg_pool2d_fwd", "avg_pool2d_bwd"},
                   .call = [q](const Tensors& x) { return average_of(x[0], q); },
                   .reference = [q](const Tensors& x) { return average_reference(x[0], q); },
                   .variants = variants.values,
                   .benchmark = {{{64, 112, 112, 64}, Values::distinct}}}) &&
         add_case({.name = "avg_pool2d_backward",
                   .kernels = {"avg_pool2d_bwd"},
                   .call = [q](const Tensors& x) { return gradient_at(average_of, x[1], x[0], q); },
                   .reference =
                       [q](const Tensors& x) { return average_backward_reference(x[0], x[1].shape(), q); },
                   .variants = variants.gradients});
}

bool pooling(const Pooling& q) { return max_pooling(q) && average_pooling(q); }

const bool pool_cases[] = {
    pooling({}),
    pooling({{.kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1}}),
    pooling({{.kernel_h = 3, .kernel_w = 2, .stride_h = 1, .stride_w = 3, .pad_w = 1}}),
    pooling({{.kernel_h = 1, .kernel_w = 1, .stride_h = 3, .stride_w = 2}}),
    pooling({{.kernel_h = 3, .kernel_w = 3, .ceil_mode = true}}),
    pooling({{.kernel_h = 3,
              .kernel_w = 4,
              .stride_h = 2,
              .stride_w = 3,
              .pad_h = 1,
              .pad_w = 2,
              .ceil_mode = true}}),
    average_pooling({{.kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1, .count_include_pad = false}}),
    average_pooling({{.kernel_h = 3,
                      .kernel_w = 2,
                      .stride_w = 3,
                      .pad_h = 1,
                      .pad_w = 1,
                      .ceil_mode = true,
                      .count_include_pad = false}}),
    max_pooling(
        {{.kernel_h = 2, .kernel_w = 2, .stride_h = 1, .pad_w = 1, .dilation_h = 3, .dilation_w = 2}}),
    max_pooling(
        {{.kernel_h = 3, .kernel_w = 2, .pad_h = 1, .dilation_h = 2, .dilation_w = 2, .ceil_mode = true}}),
    pooling({.height = 1, .width = 1}),
    pooling({.height = 3, .width = 4}),
    pooling({.height = 7, .width = 2}),
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
  CHECK_THROWS_WITH_AS(
      max_pool2d(zeros({1, 1, 3, 1}), {.pad_h = 1, .dilation_h = 2}),
      "max_pool2d: window 0 of an axis of 1 pixels sees nothing but padding; use less padding or dilation",
      Error);
  CHECK_THROWS_WITH_AS(avg_pool2d(zeros({1, 3, 3, 1}), {.dilation_w = 2}),
                       "avg_pool2d: dilation 1x2; averages are over whole windows, leave it at 1", Error);
  CHECK_THROWS_WITH_AS(max_pool2d(zeros({1, 3, 3, 1}), {.stride_h = 0}),
                       "max_pool2d: kernel 2x2, stride 0x2, dilation 1x1; all must be positive", Error);
  CHECK_THROWS_WITH_AS(adaptive_avg_pool2d(zeros({1, 3, 3, 1}), 0, 2),
                       "adaptive_avg_pool2d: 0x2 windows; both must be positive", Error);
  CHECK_THROWS_WITH_AS(adaptive_max_pool2d(zeros({1, 0, 3, 1}), 1, 2),
                       "adaptive_max_pool2d: float32[1, 0, 3, 1] has no pixels to pool", Error);
}

}  // namespace
}  // namespace tsr::test
