// Projection heads: structure and values.
#include "ssl/heads.h"

#include <cmath>
#include <doctest/doctest.h>
#include <set>

#include "tensor/random.h"

namespace tsr::test {
namespace {

std::set<std::string> names_of(Module& module) {
  std::set<std::string> names;
  for (const NamedTensor& entry : named_parameters(module)) names.insert(entry.name);
  return names;
}

}  // namespace

TEST_CASE("names are those of a flat Sequential; a norm replaces the bias") {
  ProjectionHead normed({.in = 4, .hidden = 3, .out = 2});
  CHECK(names_of(normed) ==
        std::set<std::string>{"0.weight", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias"});
  ProjectionHead plain({.in = 4, .hidden = 3, .out = 2, .batch_norm = false});
  CHECK(names_of(plain) == std::set<std::string>{"0.weight", "0.bias", "3.weight", "3.bias"});
  ProjectionHead open({.in = 4, .hidden = 3, .out = 2, .layers = 3, .last_batch_norm = false});
  CHECK(names_of(open) == std::set<std::string>{"0.weight", "1.weight", "1.bias", "3.weight", "4.weight",
                                                "4.bias", "6.weight", "6.bias"});
  CHECK_THROWS_WITH_AS(ProjectionHead({.in = 4, .hidden = 3, .out = 2, .layers = 0}),
                       doctest::Contains("at least 1"), Error);
}

TEST_CASE("the last norm leaves each dimension with mean 0 and variance 1") {
  seed_init(7);
  ProjectionHead head({.in = 6, .hidden = 8, .out = 3});
  head.to(float64);
  Generator random(8);
  const Tensor y = head(normal({64, 6}, random, 2, 3, float64));
  REQUIRE(y.shape() == Shape{64, 3});
  for (int d = 0; d < 3; ++d) {
    double total = 0, squares = 0;
    for (int i = 0; i < 64; ++i) {
      const double value = y.data<double>()[i * 3 + d];
      total += value;
      squares += value * value;
    }
    CHECK(std::abs(total / 64) < 1e-12);
    CHECK(squares / 64 == doctest::Approx(1).epsilon(1e-3));
  }
}

TEST_CASE("without norms the head is relu between two affine maps") {
  seed_init(9);
  ProjectionHead head({.in = 2, .hidden = 3, .out = 1, .batch_norm = false});
  const float x[] = {0.5f, -2.f};
  const auto value = [](const Tensor& tensor, std::int64_t i) { return tensor.data<float>()[i]; };
  double want = value(head.linears[1].bias, 0);
  for (int h = 0; h < 3; ++h) {
    double hidden = value(head.linears[0].bias, h);
    for (int i = 0; i < 2; ++i) hidden += value(head.linears[0].weight, h * 2 + i) * x[i];
    want += value(head.linears[1].weight, h) * std::max(hidden, 0.0);
  }
  CHECK(head(from_values({0.5f, -2.f}, {1, 2})).item() == doctest::Approx(want).epsilon(1e-5));
}

TEST_CASE("the last norm can go without scale and shift, other layers without bias") {
  ProjectionHead queries({.in = 4, .hidden = 3, .out = 2, .last_affine = false});
  CHECK(names_of(queries) == std::set<std::string>{"0.weight", "1.weight", "1.bias", "3.weight"});
  ProjectionHead predictor({.in = 4, .hidden = 3, .out = 2, .last_batch_norm = false, .bias = false});
  CHECK(names_of(predictor) == std::set<std::string>{"0.weight", "1.weight", "1.bias", "3.weight"});
}

TEST_CASE("DINO's head gives cosines with its prototypes, times their lengths") {
  seed_init(9);
  DinoHead head({.in = 6, .hidden = 8, .bottleneck = 4, .out = 5});
  CHECK(names_of(head) == std::set<std::string>{"mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias",
                                                "mlp.4.weight", "mlp.4.bias", "last_layer.weight_g",
                                                "last_layer.weight_v"});
  DinoHead copy = clone(head);
  CHECK(names_of(copy) == names_of(head));
  CHECK_FALSE(head.weight_g.tensor().requires_grad());
  CHECK(DinoHead({.in = 6, .out = 5, .train_magnitude = true}).weight_g.tensor().requires_grad());
  Generator random(10);
  const Tensor x = normal({7, 6}, random);
  NoGrad guard;
  const Tensor y = head(x);
  REQUIRE(y.shape() == Shape{7, 5});
  CHECK(max(abs(y)).item() <= 1 + 1e-6);
  // Neither the prototypes' own lengths matter nor the bottleneck's; g does.
  copy_into(head.weight_v, head.weight_v.tensor().detach() * 3);
  CHECK(norm(head(x) - y).item() < 1e-5);
  copy_into(head.weight_g, full({5, 1}, 2));
  CHECK(norm(head(x) - y * 2).item() < 1e-5);

  const DinoHead normed({.in = 6, .hidden = 8, .bottleneck = 4, .out = 5, .batch_norm = true});
  CHECK(normed.norms.size() == 2);
  CHECK_THROWS_WITH_AS(DinoHead({.in = 4, .out = 2, .layers = 0}), doctest::Contains("at least 1"), Error);
}

}  // namespace tsr::test
