// Optimisers against plain loops and what they share; the schedule against its formula.
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
  REQUIRE(state.tensors().size() == 1);
  CHECK(state.tensors().at("step").item() == 5);
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

TEST_CASE("momentum and decay follow schedules, and a group's momentum wins over the optimiser's") {
  Linear layer = make_layer();
  auto groups = param_groups(
      named_parameters(layer),
      {{.where = is_weight, .group = {.weight_decay = LinearSchedule{.from = 0, .to = 0.4, .steps = 4}}},
       {.group = {.learning_rate_scale = 0.5, .momentum = 0.3}}});
  Sgd sgd(std::move(groups),
          {.momentum = [](std::int64_t step) { return 0.1 * static_cast<double>(step + 1); }});
  int turn = 0;
  check_optimizer(sgd, layer, [&](Values& w, Values& v, const Values& g, const NamedTensor& p, double rate) {
    const int step = turn++ / 2;
    const bool weight = p.name == "weight";
    const double decay = weight ? 0.1 * step : 0, momentum = weight ? 0.1 * (step + 1) : 0.3;
    for (std::size_t i = 0; i < w.size(); ++i) {
      v[i] = momentum * v[i] + g[i] + decay * w[i];
      w[i] -= rate * (weight ? 1 : 0.5) * v[i];
    }
  });
  CHECK(sgd.steps_done() == 5);
}

TEST_CASE("a momentum that first is zero starts from what it has seen") {
  // At momentum 0 no buffer is kept, and the first one above 0 starts from this step's gradient.
  Linear layer = make_layer();
  Sgd sgd({{named_parameters(layer)}}, {.momentum = [](std::int64_t step) { return step < 2 ? 0.0 : 0.5; }});
  int turn = 0;
  check_optimizer(sgd, layer, [&](Values& w, Values& v, const Values& g, const NamedTensor&, double rate) {
    const double momentum = turn++ / 2 < 3 ? 0 : 0.5;
    for (std::size_t i = 0; i < w.size(); ++i) {
      v[i] = momentum * v[i] + g[i];
      w[i] -= rate * v[i];
    }
  });
}

TEST_CASE("a restored Adam goes on with the same bits, and its counters are each parameter's own") {
  Linear a = make_layer();
  Generator random(5);
  const auto train = [&random](Linear& layer, Optimizer& optimizer, bool bias) {
    layer.weight.tensor().set_grad(normal({4, 3}, random, 0, 1, float64));
    layer.bias.tensor().set_grad(bias ? normal({4}, random, 0, 1, float64) : Tensor());
    optimizer.step(0.1);
  };
  const auto groups = [](Linear& layer) {
    return decay_groups(named_parameters(layer), LinearSchedule{.from = 0, .to = 1, .steps = 9});
  };
  AdamW first(groups(a));
  train(a, first, false);
  train(a, first, true);
  State saved;
  first.state(saved);
  CHECK(saved.tensors().at("step").item() == 2);
  CHECK(saved.tensors().at("weight.step").item() == 2);
  CHECK(saved.tensors().at("bias.step").item() == 1);

  Linear b = clone(a);
  AdamW second(groups(b));
  State reading(saved.tensors());
  second.state(reading);
  reading.finish();
  Generator again = random;
  train(a, first, true);
  random = again;
  train(b, second, true);
  CHECK(values_of(a.weight) == values_of(b.weight));
  CHECK(values_of(a.bias) == values_of(b.bias));

  TensorMap wrong = saved.tensors();
  wrong["weight.exp_avg"] = zeros({4}, float64);
  State lying(wrong);
  CHECK_THROWS_WITH_AS(second.state(lying), doctest::Contains("'weight.exp_avg' is float64[4]"), InputError);
}

TEST_CASE("misuse is refused by the parameter's name") {
  Linear layer = make_layer();
  const auto parameters = named_parameters(layer);
  CHECK_THROWS_WITH_AS(param_groups(parameters, {{.where = is_weight}}),
                       "param_groups: no rule takes 'bias'; end with a rule without a predicate", Error);
  CHECK_THROWS_WITH_AS(Sgd({{parameters}, {parameters}}),
                       doctest::Contains("'weight' is there twice; each belongs to one group"), Error);
  Adam adam({{parameters}});
  layer.weight.tensor().set_grad(zeros({4, 3}));
  CHECK_THROWS_WITH_AS(adam.step(1),
                       doctest::Contains("'weight' is float64[4, 3] but its gradient is float32"), Error);
  layer.weight.tensor().set_grad(ones({4, 3}, float64));
  adam.step(1);
  layer.to(float32);
  layer.weight.tensor().set_grad(ones({4, 3}));
  CHECK_THROWS_WITH_AS(adam.step(1),
                       doctest::Contains("its exp_avg is float64[4, 3]; convert a module before"), Error);
  Sgd late({{parameters}}, {.momentum = LinearSchedule{.from = 0, .to = 1, .steps = 1}});
  late.step(1);
  CHECK_THROWS_WITH_AS(late.step(1), doctest::Contains("choose 0 ≤ momentum < 1"), Error);
}

TEST_CASE("clipping scales a gradient once even where two parameters share it, and leaves infinity alone") {
  Linear a = make_layer(), b = make_layer();
  const Tensor shared = full({4, 3}, 2, float64);
  a.weight.tensor().set_grad(shared);
  b.weight.tensor().set_grad(shared);
  std::vector<NamedTensor> both{named_parameters(a)[0], named_parameters(b)[0]};
  const double norm = std::sqrt(24 * 4.0);
  CHECK(clip_gradient_norm(both, norm / 4) == doctest::Approx(norm));
  CHECK(values_of(b.weight.tensor().grad())[5] == doctest::Approx(0.5));
  CHECK(clip_each_gradient_norm(both, 1) == doctest::Approx(norm / 4));
  CHECK(gradient_norm(both) == doctest::Approx(std::sqrt(2.0)));

  a.weight.tensor().set_grad(full({4, 3}, INFINITY, float64));
  CHECK(clip_gradient_norm(both, 0.1) == INFINITY);
  CHECK(values_of(b.weight.tensor().grad())[0] == doctest::Approx(1 / std::sqrt(12)));
  CHECK_THROWS_WITH_AS(clip_gradient_norm(both, 0), doctest::Contains("must be positive"), Error);
}

TEST_CASE("a teacher moves toward its student; its buffers stay, follow or average") {
  const double momentum = 0.75;
  for (const EmaBuffers mode : {EmaBuffers::keep, EmaBuffers::copy, EmaBuffers::average}) {
    CAPTURE(static_cast<int>(mode));
    BatchNorm teacher({.channels = 3}), student({.channels = 3});
    fill_with(student.weight, 3);
    fill_with(student.running_mean, 4);
    fill_with(student.num_batches_tracked, 7);
    const auto version = teacher.weight.tensor().version();
    ema_update(teacher, student, momentum, mode);
    CHECK(values_of(teacher.weight) == Values(3, 0.75 * 1 + 0.25 * 3));
    CHECK(teacher.weight.tensor().version() > version);
    CHECK(values_of(student.weight) == Values(3, 3));
    const double mean = mode == EmaBuffers::keep ? 0 : mode == EmaBuffers::copy ? 4 : 1;
    CHECK(values_of(teacher.running_mean) == Values(3, mean));
    CHECK(teacher.num_batches_tracked.item() == (mode == EmaBuffers::keep ? 0 : 7));
  }
  Linear small({.in = 2, .out = 2}), large({.in = 3, .out = 2});
  CHECK_THROWS_WITH_AS(ema_update(small, large, 0.5), doctest::Contains("ema_update: 'weight' float32[2, 3]"),
                       Error);
  CHECK_THROWS_WITH_AS(ema_update(small, small, 1.5), doctest::Contains("choose 0 ≤ momentum ≤ 1"), Error);
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
  // The same from its two parts.
  const WarmUp parts{.steps = 4, .then = CosineSchedule{.base = 2, .total = 20}};
  for (const std::int64_t step : {0, 3, 4, 9, 24, 99}) CHECK(parts(step) == doctest::Approx(schedule(step)));
}

TEST_CASE("a number is a schedule, and so is a function") {
  CHECK(Schedule(3)(17) == 3);
  CHECK(Schedule([](std::int64_t step) { return 2.0 * static_cast<double>(step); })(4) == 8);
  CHECK_THROWS_WITH_AS(StepDecay({.base = 1, .every = 0})(1), doctest::Contains("must be positive"), Error);
}

}  // namespace tsr::test
