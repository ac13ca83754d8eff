// Optimisers against plain loops, and the schedule against its formula.
#include "nn/optim.h"

#include <cmath>
#include <doctest/doctest.h>
#include <functional>
#include <numbers>

#include "nn/layers.h"
#include "tensor/random.h"

namespace tsr::test {
namespace {

using Values = std::vector<double>;

Values values_of(const Tensor& tensor) {
  const Tensor t = tensor.to(float64);
  return {t.data<double>(), t.data<double>() + t.numel()};
}

double l2(const Values& values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares);
}

/// w, v ← one plain update of one parameter.
using Update =
    std::function<void(Values& w, Values& v, const Values& g, const NamedTensor& parameter, double rate)>;

/// Five steps of a float64 linear layer under made-up gradients, against `update`.
void check_optimizer(Optimizer& optimizer, Linear& layer, const Update& update) {
  Generator random(3);
  const auto parameters = named_parameters(layer);
  std::map<std::string, Values> w, v;
  for (const auto& p : parameters) {
    w[p.name] = values_of(p.tensor);
    v[p.name] = Values(w[p.name].size(), 0);
  }
  for (int step = 0; step < 5; ++step) {
    const double rate = 0.1 / (1 + step);
    for (const auto& p : parameters) {
      const Tensor g = normal(p.tensor.shape(), random, 0, 1, float64);
      p.tensor.set_grad(g);
      update(w[p.name], v[p.name], values_of(g), p, rate);
    }
    optimizer.step(rate);
    for (const auto& p : parameters) {
      const Values ours = values_of(p.tensor);
      for (std::size_t i = 0; i < ours.size(); ++i)
        CHECK(ours[i] == doctest::Approx(w[p.name][i]).epsilon(1e-13));
    }
  }
}

Linear make_layer() {
  seed_init(2);
  Linear layer({.in = 3, .out = 4});
  layer.to(float64);
  return layer;
}

}  // namespace

TEST_CASE("sgd with momentum, with and without nesterov") {
  for (const bool nesterov : {false, true}) {
    Linear layer = make_layer();
    Sgd sgd({{named_parameters(layer), 0.01}}, {.momentum = 0.9, .nesterov = nesterov});
    check_optimizer(sgd, layer, [&](Values& w, Values& v, const Values& g, const NamedTensor&, double rate) {
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double d = g[i] + 0.01 * w[i];
        v[i] = 0.9 * v[i] + d;
        w[i] -= rate * (nesterov ? d + 0.9 * v[i] : v[i]);
      }
    });
  }
}

TEST_CASE("sgd without momentum keeps no buffers") {
  Linear layer = make_layer();
  Sgd sgd({{named_parameters(layer), 0}}, {.momentum = 0});
  check_optimizer(sgd, layer, [](Values& w, Values&, const Values& g, const NamedTensor&, double rate) {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] -= rate * g[i];
  });
  State state;
  sgd.state(state);
  CHECK(state.tensors().empty());
}

TEST_CASE("lars adapts and decays weights, not biases") {
  Linear layer = make_layer();
  Lars lars(decay_groups(named_parameters(layer), 0.02), {.momentum = 0.8, .trust = 0.05});
  check_optimizer(lars, layer, [](Values& w, Values& v, const Values& g, const NamedTensor& p, double rate) {
    const bool weight = p.name == "weight";
    const double decay = weight ? 0.02 : 0;
    const double ratio = weight ? 0.05 * l2(w) / (l2(g) + decay * l2(w)) : 1;
    for (std::size_t i = 0; i < w.size(); ++i) {
      v[i] = 0.8 * v[i] + rate * ratio * (g[i] + decay * w[i]);
      w[i] -= v[i];
    }
  });
}

TEST_CASE("a parameter without a gradient stays, and impossible momentum is refused") {
  Linear layer = make_layer();
  const Values before = values_of(layer.weight);
  Sgd sgd({{named_parameters(layer), 0.1}});
  sgd.step(1);
  CHECK(values_of(layer.weight) == before);
  CHECK_THROWS_WITH_AS(Lars({}, {.momentum = 1}), doctest::Contains("0 ≤ momentum < 1"), Error);
}

TEST_CASE("gradient_norm is over all parameters together") {
  Linear layer = make_layer();
  layer.weight.tensor().set_grad(full({4, 3}, 2, float64));
  layer.bias.tensor().set_grad(full({4}, 3, float64));
  CHECK(gradient_norm(named_parameters(layer)) == doctest::Approx(std::sqrt(12 * 4 + 4 * 9.0)));
}

TEST_CASE("the schedule warms up linearly and follows half a cosine to the end") {
  const CosineSchedule schedule{.base = 2, .warmup = 4, .total = 24};
  CHECK(schedule(0) == doctest::Approx(0.5));
  CHECK(schedule(3) == doctest::Approx(2));
  CHECK(schedule(4) == doctest::Approx(2));
  CHECK(schedule(9) == doctest::Approx(1 + std::cos(std::numbers::pi / 4)));
  CHECK(schedule(14) == doctest::Approx(1));
  CHECK(schedule(24) == doctest::Approx(0));
  CHECK(schedule(99) == doctest::Approx(0));
  CHECK((CosineSchedule{.base = 3, .warmup = 0, .total = 1})(0) == doctest::Approx(3));
}

}  // namespace tsr::test
