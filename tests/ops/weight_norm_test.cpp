// Cases of weight standardisation and weight norm.
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

Tensor standardized(const Tensor& weight) {
  Tensor y = weight.clone();
  const std::int64_t out = y.shape()[0], size = y.numel() / out;
  for (std::int64_t o = 0; o < out; ++o) {
    double* w = y.data<double>() + o * size;
    double mean = 0, square = 0;
    for (std::int64_t i = 0; i < size; ++i) mean += w[i] / static_cast<double>(size);
    for (std::int64_t i = 0; i < size; ++i) square += (w[i] - mean) * (w[i] - mean);
    for (std::int64_t i = 0; i < size; ++i)
      w[i] = (w[i] - mean) / std::sqrt(square / static_cast<double>(size) + 1e-6);
  }
  return y;
}

/// g·v/‖v‖, the norm of the elements that share a position along the axis.
Tensor normalized(const Tensor& v, const Tensor& g, int axis) {
  std::int64_t inner = 1;
  for (int i = axis + 1; i < v.rank(); ++i) inner *= v.shape()[i];
  const auto position = [&](std::int64_t flat) { return flat / inner % v.shape()[axis]; };
  std::vector<double> square(static_cast<std::size_t>(v.shape()[axis]), 0);
  for (std::int64_t i = 0; i < v.numel(); ++i)
    square[static_cast<std::size_t>(position(i))] += v.data<double>()[i] * v.data<double>()[i];
  Tensor y = v.clone();
  for (std::int64_t i = 0; i < v.numel(); ++i)
    y.data<double>()[i] *=
        g.data<double>()[position(i)] / std::sqrt(square[static_cast<std::size_t>(position(i))]);
  return y;
}

bool weight_norm_case(int axis) {
  const auto variant = [axis](const Shape& shape, bool gradients, bool strided = false) {
    return Variant{{{shape, Values::normal, 0, strided}, {{shape[axis]}}}, gradients};
  };
  return add_case({.name = "weight_norm",
                   .kernels = {"norm_fwd"},
                   .call = [axis](const Tensors& x) { return weight_norm(x[0], x[1], axis - x[0].rank()); },
                   .reference = [axis](const Tensors& x) { return normalized(x[0], x[1], axis); },
                   .variants = {variant({3, 4}, true), variant({2, 3, 3, 2}, true, true),
                                variant({1, 1}, true), variant({33, 70}, false)}});
}

const bool weight_norm_cases[] = {weight_norm_case(0), weight_norm_case(1),
                                  add_case({.name = "weight_standardize",
                                            .kernels = {"sum_fwd"},
                                            .call = [](const Tensors& x) { return weight_standardize(x[0]); },
                                            .reference = [](const Tensors& x) { return standardized(x[0]); },
                                            .variants = {{{{{3, 4}}}},
                                                         {{{{2, 3, 3, 2}, Values::normal, 0, true}}},
                                                         {{{{4, 3, 3, 5}, Values::rising}}, false},
                                                         {{{{64, 3, 3, 33}}}, false}},
                                            .tolerance32 = 2e-5})};

TEST_CASE("weight norm says what doesn't fit") {
  CHECK_THROWS_WITH_AS(weight_norm(zeros({2, 3}), ones({3})),
                       "weight_norm: g float32[3] for axis 0 of v float32[2, 3]; it needs 2 elements", Error);
  CHECK_THROWS_WITH_AS(weight_standardize(zeros({3})), "weight_standardize: float32[3] is not [out, ...]",
                       Error);
}

}  // namespace
}  // namespace tsr::test
