// The trainer: accumulated gradients against the whole batch, and its settings.
#include "ssl/trainer.h"

#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "nn/layers.h"
#include "tensor/random.h"

namespace tsr::test {
namespace {

struct NoEncoder final : Encoder {
  Tensor operator()(const Tensor& images) override { return images; }
  std::int64_t feature_size() const override { return 1; }
  void visit(Visitor&) override {}
};

/// Regression without batch norm: its loss is a mean over samples. The second view is the target.
struct Regression final : Method {
  Linear fc1, fc2;
  NoEncoder none;
  std::int64_t calls = 0, after_steps = 0;

  Regression() : fc1({.in = 6, .out = 5}), fc2({.in = 5, .out = 3}) { to(float64); }
  Tensor loss(const Batch& batch) override {
    ++calls;
    const Tensor x = batch.views[0], target = batch.views[1];
    const Tensor error = fc2(tanh(fc1(reshape(x, {x.size(0), 6})))) - reshape(target, {target.size(0), 3});
    return mean(error * error);
  }
  void after_step() override { ++after_steps; }
  Encoder& encoder() override { return none; }
  double collapsed_loss(std::int64_t) const override { return 0; }
  void visit(Visitor& v) override {
    v.child("fc1", fc1);
    v.child("fc2", fc2);
  }
};

Batch draw_batch(Generator& random) {
  return {
      .views = {normal({12, 1, 2, 3}, random, 0, 1, float64), normal({12, 1, 1, 3}, random, 0, 1, float64)},
      .labels = {},
      .ids = arange(12)};
}

struct Outcome {
  std::vector<StepReport> reports;
  std::vector<double> weights;
  std::int64_t calls = 0, after_steps = 0;
};

Outcome train(const std::vector<std::string>& assignments) {
  seed_init(3);
  Regression method;
  Settings settings;
  for (const std::string& assignment : assignments) settings.assign(assignment);
  Trainer trainer(method, {.batch_size = 12, .steps_per_epoch = 2, .total_steps = 4}, settings);
  settings.check_all_read();
  Generator random(8);
  Outcome outcome;
  for (int step = 0; step < 4; ++step) outcome.reports.push_back(trainer.step(draw_batch(random)));
  for (const NamedTensor& p : named_parameters(method))
    for (std::int64_t i = 0; i < p.tensor.numel(); ++i) outcome.weights.push_back(p.tensor.data<double>()[i]);
  outcome.calls = method.calls;
  outcome.after_steps = method.after_steps;
  return outcome;
}

double distance(const Outcome& a, const Outcome& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.weights.size(); ++i)
    worst = std::max(worst, std::abs(a.weights[i] - b.weights[i]));
  return worst;
}

}  // namespace

TEST_CASE("accumulated gradients are the whole batch's") {
  const std::vector<std::string> settings{"optimizer=sgd", "learning_rate=0.5", "clip_norm=0.3"};
  const Outcome whole = train(settings);
  for (const char* accumulate : {"accumulate=3", "accumulate=12"}) {
    CAPTURE(accumulate);
    auto more = settings;
    more.emplace_back(accumulate);
    const Outcome parts = train(more);
    CHECK(parts.after_steps == 4);
    CHECK(parts.calls == 4 * (12 / parts.reports[0].samples_per_loss));
    CHECK(parts.calls > whole.calls);
    for (std::size_t step = 0; step < 4; ++step) {
      CHECK(parts.reports[step].loss == doctest::Approx(whole.reports[step].loss).epsilon(1e-12));
      CHECK(parts.reports[step].gradient_norm ==
            doctest::Approx(whole.reports[step].gradient_norm).epsilon(1e-12));
    }
    CHECK(distance(parts, whole) <= 1e-12);
  }
}

TEST_CASE("every optimiser trains, and each setting makes a difference") {
  for (const char* kind : {"lars", "sgd", "adam", "adamw"}) {
    CAPTURE(kind);
    const std::vector<std::string> base{std::string("optimizer=") + kind, "learning_rate=0.01",
                                        "weight_decay=0.1"};
    const Outcome plain = train(base);
    CHECK(distance(plain, train(base)) == 0);
    std::vector<std::string> changes{"weight_decay=0.2", "weight_decay_end=1", "clip_norm=0.01",
                                     "clip_each_norm=0.01", "warmup_steps=3"};
    const bool adam = std::string(kind).starts_with("adam");
    if (adam) changes.insert(changes.end(), {"beta1=0.5", "beta2=0.9", "epsilon=0.1", "decay_exclude=false"});
    if (!adam) changes.emplace_back("momentum=0.5");
    if (std::string(kind) == "lars") changes.insert(changes.end(), {"trust=0.1", "lars_exclude=false"});
    for (const std::string& change : changes) {
      CAPTURE(change);
      auto settings = base;
      settings.push_back(change);
      CHECK(distance(plain, train(settings)) > 1e-9);
    }
  }
}

TEST_CASE("settings that make no sense are refused") {
  CHECK_THROWS_WITH_AS(train({"accumulate=5"}), "setting accumulate=5: doesn't divide the batch of 12",
                       InputError);
  CHECK_THROWS_WITH_AS(train({"clip_norm=1", "clip_each_norm=1"}), doctest::Contains("exclude each other"),
                       InputError);
}

TEST_CASE("a trainer restores the layers' random stream") {
  seed_init(3);
  seed_layers(9);
  Regression method;
  Settings settings;
  Trainer trainer(method, {}, settings);
  layer_generator().next_draw();
  State saved;
  trainer.state(saved);
  const Generator before = layer_generator();
  seed_layers(1);
  State reading(saved.tensors());
  trainer.state(reading);
  reading.finish();
  CHECK(layer_generator().seed() == before.seed());
  CHECK(layer_generator().draw() == 1);
  seed_layers(0);
}

}  // namespace tsr::test
