// Cases of the random draws: the tensor's elements against Philox words taken one by one.
#include "tensor/random.h"

#include <cmath>
#include <numbers>

#include "tests/ops/op_case.h"
#include "tests/ops/philox_words.h"

namespace tsr::test {
namespace {

double uniform_at(std::int64_t i) { return -2 + 5 * std::ldexp(words_of(i)[i % 4] >> 8, -24); }

double normal_at(std::int64_t i) {
  const auto words = words_of(i);
  const std::size_t pair = i % 4 / 2 * 2;
  const double radius = std::sqrt(-2 * std::log(std::ldexp(words[pair] + 1.0, -32)));
  const double angle = 2 * std::numbers::pi * std::ldexp(words[pair + 1], -32);
  return 3 + 0.5 * radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

Tensor numbered(const Tensor& like, double (*value)(std::int64_t)) {
  Tensor y(like.shape(), float64, Device::cpu);
  for (std::int64_t i = 0; i < y.numel(); ++i) y.data<double>()[i] = value(i);
  return y;
}

const std::vector<Variant> kShapes{{{{{0, 3}}}}, {{{{}}}}, {{{{3, 5}}}}, {{{{4, 33, 257}}}}};

const bool random_cases[] = {
    add_case({.name = "uniform",
              .kernels = {"uniform_fwd"},
              .call =
                  [](const Tensors& x) {
                    Generator generator(kSeed, kDraw);
                    return uniform(x[0].shape(), generator, -2, 3, x[0].dtype(), x[0].device());
                  },
              .reference = [](const Tensors& x) { return numbered(x[0], uniform_at); },
              .variants = kShapes,
              .differentiable = Differentiable::no,
              .benchmark = {{{4096, 4096}}}}),
    add_case({.name = "normal",
              .kernels = {"normal_fwd"},
              .call =
                  [](const Tensors& x) {
                    Generator generator(kSeed, kDraw);
                    return normal(x[0].shape(), generator, 3, 0.5, x[0].dtype(), x[0].device());
                  },
              .reference = [](const Tensors& x) { return numbered(x[0], normal_at); },
              .variants = kShapes,
              .differentiable = Differentiable::no,
              .benchmark = {{{4096, 4096}}}}),
};

}  // namespace
}  // namespace tsr::test
