// Cases of layer norm and RMS norm.
#include <cmath>
#include <cstring>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

constexpr double kLayerNormEpsilon = 1e-5;

/// in: x [rows…, n], weight, and bias where the norm has one; the mean is 0 unless `centred`.
Tensor reference(const Tensors& in, bool centred) {
  const std::int64_t n = in[1].numel();
  Tensor y = in[0].clone();
  for (std::int64_t first = 0; first < y.numel(); first += n) {
    double* row = y.data<double>() + first;
    double mean = 0, square = 0;
    for (std::int64_t i = 0; centred && i < n; ++i) mean += row[i] / static_cast<double>(n);
    for (std::int64_t i = 0; i < n; ++i) square += (row[i] - mean) * (row[i] - mean);
    const double deviation = std::sqrt(square / static_cast<double>(n) + kLayerNormEpsilon);
    for (std::int64_t i = 0; i < n; ++i) {
      row[i] = (row[i] - mean) / deviation * in[1].data<double>()[i];
      if (centred) row[i] += in[2].data<double>()[i];
    }
  }
  return y;
}

/// Rows that end in a shape of `axes` axes.
std::vector<Variant> variants(int axes, bool biased) {
  const auto variant = [&](const Shape& shape, bool gradients, Values values = Values::normal,
                           bool strided = false) {
    Shape last;
    for (int axis = shape.rank() - axes; axis < shape.rank(); ++axis) last.push_back(shape[axis]);
    Variant v{{{shape, values, 0, strided}, {last, Values::positive, 0, strided}}, gradients};
    if (biased) v.inputs.push_back({last});
    return v;
  };
  std::vector<Variant> list{variant({5, 3}, true),
                            variant({2, 3, 2, 5}, true, Values::normal, true),
                            variant({0, 2, 4}, true),
                            variant({1, 1}, true),
                            variant({9, 2}, true),
                            variant({2, 3, 17}, true),
                            variant({3, 40}, true, Values::rising),
                            variant({3, 40}, false, Values::equal),
                            variant({300, 16}, false, Values::huge),
                            variant({700, 41}, false),
                            variant({3, 50001}, false)};
  if (axes == 1) list.push_back(variant({6}, true));
  return list;
}

bool layer_norm_case(int axes) {
  return add_case(
      {.name = "layer_norm",
       .kernels = {"layer_norm_fwd", "layer_norm_bwd"},
       .call = [](const Tensors& x) { return layer_norm(x[0], x[1].shape(), x[1], x[2], kLayerNormEpsilon); },
       .reference = [](const Tensors& x) { return reference(x, true); },
       .variants = variants(axes, true),
       .differentiable = Differentiable::once,
       .tolerance32 = 2e-5,
       .benchmark = {{{8192, 384}}, {{384}}, {{384}}}});
}

const bool layer_norm_cases[] = {
    layer_norm_case(1), layer_norm_case(2),
    add_case({.name = "rms_norm",
              .kernels = {"layer_norm_fwd", "layer_norm_bwd"},
              .call = [](const Tensors& x) { return rms_norm(x[0], x[1].shape(), x[1], kLayerNormEpsilon); },
              .reference = [](const Tensors& x) { return reference(x, false); },
              .variants = variants(1, false),
              .differentiable = Differentiable::once,
              .tolerance32 = 2e-5,
              .benchmark = {{{8192, 384}}, {{384}}}})};

TEST_CASE("layer norm without weight and bias has mean 0 and variance 1") {
  Generator generator(1);
  const Tensor x = normal({50, 33}, generator, 3, 2, float64), y = layer_norm(x, {33});
  CHECK(max(abs(mean(y, {-1}))).item() < 1e-12);
  CHECK(max(abs(mean(y * y, {-1}) - 1)).item() < 1e-4);
}

TEST_CASE("layer norm keeps a small deviation beside a large mean") {
  Generator generator(2);
  const Tensor x = normal({4, 3000}, generator, 1e4, 0.5, float64).to(float32);
  const Tensor ours = layer_norm(x, {3000}).to(float64), exact = layer_norm(x.to(float64), {3000});
  CHECK(max(abs(ours - exact)).item() < 2e-3);  // the mean itself is rounded to 5e-4 deviations 0.5
}

TEST_CASE("layer norm's gradients have the same bits at any thread count") {
  Generator generator(3);
  const auto leaf = [&](const Shape& shape) {
    Tensor x = normal(shape, generator);
    return x.requires_grad_();
  };
  const Tensor x = leaf({1500, 70}), weight = leaf({70}), bias = leaf({70}),
               upstream = normal({1500, 70}, generator);
  const int before = thread_count();
  std::vector<Tensors> found;
  for (int threads : {1, 3}) {
    set_thread_count(threads);
    found.push_back(grad(layer_norm(x, {70}, weight, bias), {x, weight, bias}, upstream));
  }
  set_thread_count(before);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(std::memcmp(found[0][i].raw(), found[1][i].raw(),
                      static_cast<std::size_t>(found[0][i].numel()) * sizeof(float)) == 0);
}

TEST_CASE("layer norm says what doesn't fit") {
  CHECK_THROWS_WITH_AS(layer_norm(zeros({2, 3}), {4}),
                       "layer_norm: x float32[2, 3] doesn't end in [4], a shape of at least one element",
                       Error);
  CHECK_THROWS_WITH_AS(layer_norm(zeros({2, 0}), {0}),
                       "layer_norm: x float32[2, 0] doesn't end in [0], a shape of at least one element",
                       Error);
  CHECK_THROWS_WITH_AS(rms_norm(zeros({2, 3}), {3}, ones({1})),
                       "rms_norm: weight or bias is float32[1]; need [3]", Error);
  CHECK_THROWS_WITH_AS(layer_norm(zeros({2, 3}), {3}, {}, {}, -1),
                       "layer_norm: epsilon is -1; it must be finite and not negative", Error);
}

}  // namespace
}  // namespace tsr::test
