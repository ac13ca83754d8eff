// Cases of group norm and instance norm.
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tensor/random.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

constexpr double kGroupNormEpsilon = 1e-5;

/// in: x [N, …, channels], weight, bias; `width` channels a group.
Tensor reference(const Tensors& in, std::int64_t width) {
  Tensor y = in[0].clone();
  const std::int64_t channels = y.size(-1), samples = y.shape()[0],
                     size = samples > 0 ? y.numel() / samples : 0;
  for (std::int64_t sample = 0; sample < samples; ++sample) {
    for (std::int64_t first = 0; first < channels; first += width) {
      double* x = y.data<double>() + sample * size;
      const auto each = [&](auto&& body) {
        for (std::int64_t i = 0; i < size; ++i)
          if (i % channels / width == first / width) body(x[i], i % channels);
      };
      const std::int64_t places = size / channels;
      const auto count = static_cast<double>(places * width);
      double mean = 0, square = 0;
      each([&](double value, std::int64_t) { mean += value / count; });
      each([&](double value, std::int64_t) { square += (value - mean) * (value - mean); });
      const double deviation = std::sqrt(square / count + kGroupNormEpsilon);
      each([&](double& value, std::int64_t c) {
        value = (value - mean) / deviation * in[1].data<double>()[c] + in[2].data<double>()[c];
      });
    }
  }
  return y;
}

Variant variant(const Shape& shape, bool gradients, Values values = Values::normal, bool strided = false) {
  const Shape channels{shape.back()};
  return {{{shape, values, 0, strided}, {channels, Values::positive}, {channels}}, gradients};
}

bool group_norm_case(std::int64_t groups) {
  return add_case(
      {.name = "group_norm",
       .kernels = {"group_norm_fwd", "group_norm_bwd"},
       .call = [=](const Tensors& x) { return group_norm(x[0], groups, x[1], x[2], kGroupNormEpsilon); },
       .reference = [=](const Tensors& x) { return reference(x, x[0].size(-1) / groups); },
       .variants = {variant({2, 3, 2 * groups}, true), variant({3, 2, 3, groups}, true, Values::normal, true),
                    variant({9, 2, 2, 4 * groups}, true), variant({0, 3, groups}, true),
                    variant({2, 0, groups}, true), variant({3, 2 * groups}, true),
                    variant({2, 4, groups}, true, Values::rising),
                    variant({2, 4, groups}, false, Values::equal),
                    variant({2, 50, 2 * groups}, false, Values::huge), variant({3, 900, 17 * groups}, false),
                    variant({33, 5, 7, 3 * groups}, false)},
       .differentiable = Differentiable::once,
       .tolerance32 = 2e-5,
       .benchmark =
           groups == 2 ? std::vector<Input>{{{64, 32, 32, 64}}, {{64}}, {{64}}} : std::vector<Input>{}});
}

const bool group_norm_cases[] = {
    group_norm_case(1), group_norm_case(2), group_norm_case(3),
    add_case({.name = "instance_norm",
              .kernels = {"group_norm_fwd"},
              .call = [](const Tensors& x) { return instance_norm(x[0], x[1], x[2], kGroupNormEpsilon); },
              .reference = [](const Tensors& x) { return reference(x, 1); },
              .variants = {variant({2, 3, 3, 4}, true), variant({2, 70, 33}, false)},
              .differentiable = Differentiable::once,
              .tolerance32 = 2e-5})};

TEST_CASE("group norm gives the same bits in a small and in a large batch") {
  Generator generator(5);
  const Tensor x = normal({20, 300, 12}, generator), whole = group_norm(x, 3);
  for (std::int64_t i : {0, 7, 19}) {
    const Tensor alone = group_norm(slice(x, 0, i, i + 1), 3);
    CHECK(max(abs(alone - slice(whole, 0, i, i + 1))).item() == 0);
  }
}

TEST_CASE("group norm says what doesn't fit") {
  CHECK_THROWS_WITH_AS(
      group_norm(zeros({2, 3, 4}), 3),
      "group_norm: 3 groups of the 4 channels of float32[2, 3, 4]; the number of groups must "
      "divide that of channels",
      Error);
  CHECK_THROWS_WITH_AS(group_norm(zeros({2, 4}), 2, ones({3})),
                       "group_norm: x float32[2, 4] has 4 channels, but weight or bias is float32[3]", Error);
  CHECK_THROWS_WITH_AS(group_norm(zeros({2, 4}), 2, {}, {}, INFINITY),
                       "group_norm: epsilon is inf; it must be finite and not negative", Error);
  CHECK_THROWS_WITH_AS(group_norm(zeros({4}), 2), "group_norm: x float32[4] is not [N, ..., channels]",
                       Error);
}

}  // namespace
}  // namespace tsr::test
