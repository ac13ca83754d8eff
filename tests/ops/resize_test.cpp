// Cases of resizing and its adjoint.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

double keys(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
  return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0;
}

/// How much input k adds to output i: a dense matrix, entry by entry, from the definitions.
double weight_of(std::int64_t i, std::int64_t k, std::int64_t in, std::int64_t out, const ResizeOptions& o) {
  if (o.mode == Interpolation::nearest) return k == i * in / out ? 1 : 0;
  const auto size = static_cast<double>(in), outputs = static_cast<double>(out), at = static_cast<double>(i);
  const double scale = !o.align_corners ? size / outputs : out > 1 ? (size - 1) / (outputs - 1) : 0;
  const bool cubic = o.mode == Interpolation::bicubic;
  const auto kernel = [&](double x) {
    return cubic ? keys(x, o.antialias ? -0.5 : -0.75) : std::max(0.0, 1 - std::abs(x));
  };
  if (o.antialias) {
    // A window of whole pixels around the centre, renormalised.
    const double stretch = std::max(scale, 1.0), reach = (cubic ? 2 : 1) * stretch,
                 center = scale * (at + 0.5);
    const auto inside = [&](std::int64_t pixel) {
      return static_cast<double>(pixel) >= std::trunc(center - reach + 0.5) &&
             static_cast<double>(pixel) < std::trunc(center + reach + 0.5);
    };
    double total = 0;
    for (std::int64_t j = 0; j < in; ++j)
      if (inside(j)) total += kernel((static_cast<double>(j) + 0.5 - center) / stretch);
    return inside(k) ? kernel((static_cast<double>(k) + 0.5 - center) / stretch) / total : 0;
  }
  const double center = o.align_corners ? at * scale : (at + 0.5) * scale - 0.5;
  // The border pixels stand for all beyond them.
  double sum = 0;
  for (std::int64_t j = -3; j < in + 3; ++j)
    if (std::clamp<std::int64_t>(j, 0, in - 1) == k) sum += kernel(static_cast<double>(j) - center);
  return sum;
}

/// All weights along an axis, [to, from] or, with `adjoint`, its transpose.
std::vector<double> matrix(std::int64_t in, std::int64_t out, bool adjoint, const ResizeOptions& o) {
  std::vector<double> weights(static_cast<std::size_t>(in * out));
  for (std::int64_t i = 0; i < out; ++i)
    for (std::int64_t k = 0; k < in; ++k)
      weights[static_cast<std::size_t>(adjoint ? k * out + i : i * in + k)] = weight_of(i, k, in, out, o);
  return weights;
}

/// The resizing of x from `from` pixels to `to`, or with `adjoint` its transpose.
Tensor reference(const Tensor& x, const Shape& from, const Shape& to, bool adjoint, const ResizeOptions& o) {
  const Shape& size = adjoint ? from : to;
  const std::int64_t height = x.size(1), width = x.size(2), channels = x.size(3);
  const auto rows = matrix(from[0], to[0], adjoint, o), columns = matrix(from[1], to[1], adjoint, o);
  const double* pixels = x.data<double>();
  Tensor y = zeros({x.size(0), size[0], size[1], channels}, float64);
  for (std::int64_t flat = 0; flat < y.numel(); ++flat) {
    const std::int64_t c = flat % channels, w = flat / channels % size[1],
                       h = flat / channels / size[1] % size[0], n = flat / channels / size[1] / size[0];
    double sum = 0;
    for (std::int64_t a = 0; a < height; ++a)
      for (std::int64_t b = 0; b < width; ++b)
        sum += rows[static_cast<std::size_t>(h * height + a)] *
               columns[static_cast<std::size_t>(w * width + b)] *
               pixels[((n * height + a) * width + b) * channels + c];
    y.data<double>()[flat] = sum;
  }
  return y;
}

Tensor gradient(const Tensor& upstream, const Shape& x_shape, const ResizeOptions& options) {
  const GradMode record(true);  // values are asked for under NoGrad
  Tensor x = zeros(x_shape, upstream.dtype());
  x.requires_grad_();
  return grad(resize(x, upstream.size(1), upstream.size(2), options), {x}, upstream,
              {.create_graph = true})[0];
}

bool resizing(const Shape& x, const Shape& to, const ResizeOptions& o, bool gradients = true) {
  const Shape from{x[1], x[2]}, y{x[0], to[0], to[1], x[3]};
  return add_case({.name = "resize",
                   .kernels = {"resample_fwd"},
                   .call = [to, o](const Tensors& in) { return resize(in[0], to[0], to[1], o); },
                   .reference = [=](const Tensors& in) { return reference(in[0], from, to, false, o); },
                   .variants = {{{{x}}, gradients}, {{{x, Values::normal, 0, true}}, gradients}},
                   .differentiable = gradients ? Differentiable::twice : Differentiable::no}) &&
         add_case({.name = "resize_backward",
                   .kernels = {"resample_fwd"},
                   .call = [x, o](const Tensors& in) { return gradient(in[0], x, o); },
                   .reference = [=](const Tensors& in) { return reference(in[0], from, to, true, o); },
                   .variants = {{{{y}}, gradients}, {{{y, Values::normal, 0, true}}, gradients}},
                   .differentiable = gradients ? Differentiable::twice : Differentiable::no});
}

bool every_way(const Shape& x, const Shape& to, bool gradients = true) {
  bool all = resizing(x, to, {.mode = Interpolation::nearest}, gradients);
  for (const Interpolation mode : {Interpolation::bilinear, Interpolation::bicubic})
    for (const bool align_corners : {false, true})
      for (const bool antialias : {false, true})
        all = resizing(x, to, {mode, align_corners, antialias}, gradients) && all;
  return all;
}

const bool resize_cases[] = {
    every_way({2, 3, 4, 2}, {5, 7}),
    every_way({1, 7, 9, 3}, {3, 4}),
    every_way({1, 4, 3, 1}, {4, 3}),
    every_way({1, 1, 2, 2}, {3, 1}),
    every_way({0, 3, 3, 2}, {2, 5}),
    every_way({1, 5, 2, 19}, {2, 6}),
    every_way({2, 23, 17, 40}, {9, 34}, false),
};

TEST_CASE("resizing to the same size changes nothing") {
  const Tensor x = draw_inputs({{{2, 4, 5, 3}}}, float64, 1)[0];
  for (const Interpolation mode : {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic})
    CHECK(max(abs(resize(x, 4, 5, {.mode = mode}) - x)).item() == 0);
}

TEST_CASE("resizing says what doesn't fit") {
  CHECK_THROWS_WITH_AS(resize(zeros({3, 3, 1}), 2, 2),
                       "resize: float32[3, 3, 1] is not a batch of images [N, H, W, C]", Error);
  CHECK_THROWS_WITH_AS(resize(zeros({1, 3, 3, 1}), 0, 2),
                       "resize: float32[1, 3, 3, 1] to 0x2; every size must be positive", Error);
  CHECK_THROWS_WITH_AS(resize(zeros({1, 3, 3, 1}), 2, 2, {.mode = Interpolation::nearest, .antialias = true}),
                       "resize: nearest takes neither align_corners nor antialias; use bilinear or bicubic",
                       Error);
}

}  // namespace
}  // namespace tsr::test
