// Cases of sampling at a grid.
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tensor/parallel.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

/// Where a position lands after padding, by walking: border stops at the ends, reflection turns round there.
double padded(double at, std::int64_t size, const GridSampleParams& p) {
  const auto last = static_cast<double>(size - 1);
  if (p.padding == SamplePadding::zeros) return at;
  if (p.padding == SamplePadding::reflection) {
    const double low = p.align_corners ? 0 : -0.5, high = p.align_corners ? last : last + 0.5;
    if (low == high) return 0;
    while (at < low || at > high) at = at < low ? 2 * low - at : 2 * high - at;
  }
  return std::min(std::max(at, 0.0), last);
}

double kernel(double x, Interpolation mode) {
  x = std::abs(x);
  constexpr double a = -0.75;
  if (mode == Interpolation::bilinear) return std::max(0.0, 1 - x);
  if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
  return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0;
}

/// How much pixel k counts at a coordinate along an axis.
double weight_of(double coordinate, std::int64_t k, std::int64_t size, const GridSampleParams& p) {
  const auto extent = static_cast<double>(size);
  const double at =
      p.align_corners ? (coordinate + 1) / 2 * (extent - 1) : ((coordinate + 1) * extent - 1) / 2;
  if (p.mode == Interpolation::nearest)
    return std::nearbyint(padded(at, size, p)) == static_cast<double>(k) ? 1 : 0;
  if (p.mode == Interpolation::bilinear) return kernel(static_cast<double>(k) - padded(at, size, p), p.mode);
  // The cubic kernel reads padded pixels at the place as it was.
  double sum = 0;
  for (int j = -1; j <= 2; ++j) {
    const double pixel = std::floor(at) + j;
    if (padded(pixel, size, p) == static_cast<double>(k)) sum += kernel(at - pixel, p.mode);
  }
  return sum;
}

Tensor reference(const Tensor& x, const Tensor& grid, const GridSampleParams& p) {
  const std::int64_t height = x.size(1), width = x.size(2), channels = x.size(3),
                     places = grid.size(1) * grid.size(2);
  Tensor y = zeros({x.size(0), grid.size(1), grid.size(2), channels}, float64);
  const double* from = x.data<double>();
  double* to = y.data<double>();
  for (std::int64_t i = 0; i < x.size(0) * places; ++i) {
    const double* place = grid.data<double>() + 2 * i;
    for (std::int64_t h = 0; h < height; ++h)
      for (std::int64_t w = 0; w < width; ++w) {
        const double weight = weight_of(place[1], h, height, p) * weight_of(place[0], w, width, p);
        for (std::int64_t c = 0; c < channels; ++c)
          to[i * channels + c] += weight * from[((i / places * height + h) * width + w) * channels + c];
      }
  }
  return y;
}

bool sampling(const GridSampleParams& p) {
  return add_case(
      {.name = "grid_sample",
       .kernels = {"grid_sample_fwd", "grid_sample_bwd"},
       .call = [p](const Tensors& in) { return grid_sample(in[0], in[1], p); },
       .reference = [p](const Tensors& in) { return reference(in[0], in[1], p); },
       .variants = {{{{{2, 4, 5, 3}}, {{2, 3, 3, 2}, Values::normal}}},
                    {{{{1, 3, 4, 2}, Values::normal, 0, true}, {{1, 4, 3, 2}, Values::distinct, 0, true}}},
                    {{{{1, 1, 1, 1}}, {{1, 1, 2, 2}}}},
                    {{{{2, 3, 2, 19}}, {{2, 1, 2, 2}}}},
                    {{{{0, 3, 2, 2}}, {{0, 1, 2, 2}}}},
                    {{{{2, 3, 2, 2}}, {{2, 0, 2, 2}}}},
                    {{{{2, 21, 23, 70}}, {{2, 30, 17, 2}}}, false}},
       .differentiable = Differentiable::once,
       .tolerance32 = 2e-5,
       .benchmark = {{{32, 56, 56, 64}}, {{32, 56, 56, 2}}}});
}

const bool grid_sample_cases = [] {
  bool all = true;
  for (const auto mode : {Interpolation::bilinear, Interpolation::nearest, Interpolation::bicubic})
    for (const auto padding : {SamplePadding::zeros, SamplePadding::border, SamplePadding::reflection})
      for (const bool align_corners : {false, true}) all = sampling({mode, padding, align_corners}) && all;
  return all;
}();

TEST_CASE("a grid of the pixels' own places gives the image back") {
  const Tensor x = draw_inputs({{{1, 2, 4, 3}}}, float64, 1)[0];
  Tensor grid = zeros({1, 2, 4, 2}, float64);
  for (std::int64_t i = 0; i < 8; ++i) {
    const std::int64_t row = i / 4, column = i % 4;
    grid.data<double>()[2 * i] = static_cast<double>(2 * column + 1) / 4 - 1;
    grid.data<double>()[2 * i + 1] = static_cast<double>(2 * row + 1) / 2 - 1;
  }
  CHECK(max(abs(grid_sample(x, grid) - x)).item() < 1e-15);
}

TEST_CASE("places that aren't numbers see padding and nothing breaks") {
  Tensor x = from_values({1, 2, 3, 4}, {1, 2, 2, 1}),
         grid = from_values({NAN, 0, INFINITY, 0, 0, -INFINITY}, {1, 1, 3, 2});
  x.requires_grad_();
  grid.requires_grad_();
  for (const auto mode : {Interpolation::bilinear, Interpolation::nearest, Interpolation::bicubic}) {
    const Tensor y = grid_sample(x, grid, {.mode = mode});
    for (std::int64_t i = 0; i < 3; ++i) CHECK(y.data<float>()[i] == 0);
    const Tensors grads = grad(y, {x, grid}, ones(y.shape()));
    CHECK(sum(abs(grads[0])).item() == 0);
    for (const auto padding : {SamplePadding::border, SamplePadding::reflection})
      CHECK_NOTHROW(grid_sample(x, grid, {mode, padding}));
  }
}

TEST_CASE("the gradients of sampling have the same bits at any thread count") {
  Tensors in = draw_inputs({{{2, 9, 8, 70}}, {{2, 20, 21, 2}}}, float32, 3);
  for (Tensor& leaf : in) leaf.requires_grad_();
  const int before = thread_count();
  Tensors first;
  for (const int threads : {1, 2, 4}) {
    set_thread_count(threads);
    const Tensor y = grid_sample(in[0], in[1]);
    const Tensors grads = grad(y, in, y.detach());
    if (first.empty()) first = grads;
    for (std::size_t i = 0; i < grads.size(); ++i) CHECK(max(abs(grads[i] - first[i])).item() == 0);
  }
  set_thread_count(before);
}

TEST_CASE("sampling says what doesn't fit") {
  CHECK_THROWS_WITH_AS(
      grid_sample(zeros({1, 3, 3, 1}), zeros({2, 3, 3, 2})),
      "grid_sample: x float32[1, 3, 3, 1], grid float32[2, 3, 3, 2]; need x [N, H, W, C] and grid "
      "[N, H', W', 2] for the same N",
      Error);
  CHECK_THROWS_WITH_AS(grid_sample(zeros({1, 0, 3, 1}), zeros({1, 3, 3, 2})),
                       "grid_sample: x float32[1, 0, 3, 1] has no pixels to sample", Error);
}

}  // namespace
}  // namespace tsr::test
