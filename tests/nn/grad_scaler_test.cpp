// GradScaler: the steps it lets through, and how its scale moves.
#include "nn/grad_scaler.h"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>

#include "autograd/ops.h"
#include "nn/state.h"

namespace tsr {
namespace {

struct Setup {
  Parameter weight{ones({2})}, frozen{ones({3})};  // the latter never gets a gradient
  Sgd optimizer{{{.parameters = {{"weight", weight}, {"frozen", frozen}}}}, {.momentum = 0}};

  /// One step on `scaler` with the loss factor·Σ weight; whether it went through.
  bool step(GradScaler& scaler, double factor) {
    optimizer.zero_grad();
    scaler.scale(sum(weight.tensor()) * factor).backward();
    const bool stepped = scaler.step(optimizer, 0.25);
    scaler.update();
    return stepped;
  }
  double value() const { return select(weight.tensor().detach(), 0, 0).item(); }
};

const double kInf = std::numeric_limits<double>::infinity();

TEST_CASE("a step has the gradients that it would have without scaling") {
  Setup s;
  GradScaler scaler;
  CHECK(s.step(scaler, 2));
  CHECK(s.value() == 0.5);
  CHECK(s.weight.tensor().grad().data<float>()[1] == 2);
}

TEST_CASE("a gradient that isn't finite skips the step and halves the scale") {
  for (const double bad : {kInf, -kInf, std::nan("")}) {
    Setup s;
    GradScaler scaler;
    CHECK_FALSE(s.step(scaler, bad));
    CHECK(s.value() == 1);
    CHECK(scaler.current_scale() == 32768);
    CHECK(s.step(scaler, 1));
    CHECK(s.value() == 0.75);
  }
}

TEST_CASE("the scale grows after growth_interval steps in a row without an overflow") {
  Setup s;
  GradScaler scaler({.initial_scale = 8, .growth_factor = 4, .backoff_factor = 0.25, .growth_interval = 3});
  const double factors[] = {1, 1, kInf, 1, 1, 1, 1, 1, 1, kInf, kInf};
  const double scales[] = {8, 8, 2, 2, 2, 8, 8, 8, 32, 8, 2};
  for (std::size_t i = 0; i < std::size(factors); ++i) {
    s.step(scaler, factors[i]);
    CHECK(scaler.current_scale() == scales[i]);
  }
  GradScaler large({.initial_scale = 3e38, .growth_interval = 1});
  s.step(large, 1e-10);
  CHECK(large.current_scale() == 3e38);  // float32 ends there
}

TEST_CASE("unscale_ shows true gradients before the step, once") {
  Setup s;
  GradScaler scaler;
  scaler.scale(sum(s.weight.tensor()) * 3.0).backward();
  CHECK(s.weight.tensor().grad().data<float>()[0] == 3 * 65536);
  scaler.unscale_(s.optimizer);
  CHECK(s.weight.tensor().grad().data<float>()[0] == 3);
  CHECK_THROWS_WITH_AS(scaler.unscale_(s.optimizer), doctest::Contains("unscale_ was called"), Error);
  CHECK(scaler.step(s.optimizer, 0.25));
  CHECK(s.value() == 0.25);
  CHECK_THROWS_WITH_AS(scaler.step(s.optimizer, 0.25), doctest::Contains("step was called"), Error);
  scaler.update();
  CHECK_THROWS_WITH_AS(scaler.update(), doctest::Contains("update without a step"), Error);
}

TEST_CASE("one overflow among two optimisers holds back that one and lowers the scale of both") {
  Setup a, b;
  GradScaler scaler;
  scaler.scale(sum(a.weight.tensor()) + sum(b.weight.tensor()) * kInf).backward();
  CHECK(scaler.step(a.optimizer, 0.25));
  CHECK_FALSE(scaler.step(b.optimizer, 0.25));
  scaler.update();
  CHECK(scaler.current_scale() == 32768);
}

TEST_CASE("float16 gradients too small for it survive by the scale") {
  const auto gradient = [](GradScaler* scaler) {
    Tensor w = full({1}, 1.0);
    w.requires_grad_();
    const Tensor loss = sum(cast(cast(w, float16), float32)) * 1e-8;  // float16 ends at 6e-8
    (scaler ? scaler->scale(loss) : loss).backward();
    return w.grad().item();
  };
  GradScaler scaler;
  CHECK(gradient(nullptr) == 0);
  CHECK(gradient(&scaler) / 65536 == doctest::Approx(1e-8).epsilon(1e-3));
}

TEST_CASE("scale and progress survive a restart") {
  Setup s;
  const GradScalerOptions options{.initial_scale = 8, .growth_interval = 3};
  GradScaler scaler(options), restored(options);
  s.step(scaler, kInf);
  for (int i = 0; i < 2; ++i) s.step(scaler, 1);
  State saved;
  scaler.state(saved);
  State reading(saved.tensors());
  restored.state(reading);
  reading.finish();
  CHECK(restored.current_scale() == 4);
  s.step(restored, 1);
  CHECK(restored.current_scale() == 8);  // the third step in a row
}

TEST_CASE("options that make no sense are refused") {
  CHECK_THROWS_WITH_AS(GradScaler({.initial_scale = 0}), doctest::Contains("initial scale 0"), Error);
  CHECK_THROWS_WITH_AS(GradScaler({.growth_factor = 1}), doctest::Contains("growth factor 1"), Error);
  CHECK_THROWS_WITH_AS(GradScaler({.growth_interval = 0}), doctest::Contains("growth interval 0"), Error);
}

}  // namespace
}  // namespace tsr
