// Optimisers, schedules and clipping against PyTorch (tests/golden/optim.py).
#include <doctest/doctest.h>
#include <fstream>
#include <nlohmann/json.hpp>

#include "autograd/ops.h"
#include "nn/layers.h"
#include "nn/optim.h"
#include "tests/golden/golden.h"

namespace tsr::test {
namespace {

using Values = std::vector<double>;

const nlohmann::json& optim_golden() { return read_golden("optim.json"); }

/// The script's two parameters, "weight" [3, 4] and "bias" [4], as a linear layer would name them.
struct WeightAndBias : Module {
  Parameter weight, bias;
  WeightAndBias()
      : weight(from_values(optim_golden()["initial"][0].get<Values>(), {3, 4})),
        bias(from_values(optim_golden()["initial"][1].get<Values>(), {4})) {}
  void visit(Visitor& v) override {
    v.param("weight", weight, ParamKind::linear_weight);
    v.param("bias", bias, ParamKind::bias);
  }
  void set_grads(const nlohmann::json& gradients) {
    weight.tensor().set_grad(from_values(gradients[0].get<Values>(), {3, 4}));
    bias.tensor().set_grad(from_values(gradients[1].get<Values>(), {4}));
  }
};

void check_values(const Tensor& ours, const nlohmann::json& theirs, double tolerance) {
  const auto want = theirs.get<Values>();
  REQUIRE(static_cast<std::size_t>(ours.numel()) == want.size());
  for (std::size_t i = 0; i < want.size(); ++i)
    CHECK(std::abs(ours.data<double>()[i] - want[i]) <= tolerance * std::max(1.0, std::abs(want[i])));
}

using Make = std::unique_ptr<Optimizer> (*)(std::vector<ParamGroup>);

void check_trajectory(const std::string& name, std::vector<ParamGroup> (*group)(WeightAndBias&), Make make) {
  INFO(name);
  WeightAndBias pair;
  const auto optimizer = make(group(pair));
  const auto& steps = optim_golden()["gradients"];
  std::size_t compared = 0;
  for (std::size_t step = 0; step < steps.size(); ++step) {
    pair.set_grads(steps[step]);
    optimizer->step(0.1 / (1 + static_cast<double>(step)));
    const auto& shown = optim_golden()["optimizers"][name];
    const auto found = shown.find(std::to_string(step + 1));
    if (found == shown.end()) continue;
    INFO("step ", step + 1);
    check_values(pair.weight, (*found)[0], 1e-12);
    check_values(pair.bias, (*found)[1], 1e-12);
    ++compared;
  }
  CHECK(compared == 4);
}

template <int percent>
std::vector<ParamGroup> decayed(WeightAndBias& pair) {
  return {{named_parameters(pair), percent / 100.0}};
}

std::vector<ParamGroup> dino_groups(WeightAndBias& pair) {
  return param_groups(named_parameters(pair),
                      {{.where = is_vector, .group = {.learning_rate_scale = 0.1}},
                       {.group = {.weight_decay = CosineSchedule{.base = 0.04, .total = 20, .end = 0.4}}}});
}

void check_schedule(const char* name, const Schedule& schedule) {
  INFO(name);
  const auto want = optim_golden()["schedules"][name].get<Values>();
  REQUIRE(want.size() >= 24);
  for (std::size_t step = 0; step < want.size(); ++step)
    CHECK(schedule(static_cast<std::int64_t>(step)) == doctest::Approx(want[step]).epsilon(1e-12));
}

}  // namespace

TEST_CASE("optimisers follow PyTorch's over twenty steps") {
  check_trajectory("sgd", decayed<0>, [](auto g) -> std::unique_ptr<Optimizer> {
    return std::make_unique<Sgd>(std::move(g), SgdOptions{.momentum = 0});
  });
  check_trajectory("sgd_momentum", decayed<5>, [](auto g) -> std::unique_ptr<Optimizer> {
    return std::make_unique<Sgd>(std::move(g), SgdOptions{.momentum = 0.9});
  });
  check_trajectory("sgd_nesterov", decayed<5>, [](auto g) -> std::unique_ptr<Optimizer> {
    return std::make_unique<Sgd>(std::move(g), SgdOptions{.momentum = 0.8, .nesterov = true});
  });
  check_trajectory("adam", decayed<0>,
                   [](auto g) -> std::unique_ptr<Optimizer> { return std::make_unique<Adam>(std::move(g)); });
  check_trajectory("adam_decay", decayed<10>, [](auto g) -> std::unique_ptr<Optimizer> {
    return std::make_unique<Adam>(std::move(g), AdamOptions{.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3});
  });
  check_trajectory("adamw", decayed<10>, [](auto g) -> std::unique_ptr<Optimizer> {
    return std::make_unique<AdamW>(std::move(g));
  });
  check_trajectory("adamw_groups", dino_groups, [](auto g) -> std::unique_ptr<Optimizer> {
    return std::make_unique<AdamW>(std::move(g));
  });
}

TEST_CASE("schedules follow PyTorch's, DINO's and BYOL's") {
  check_schedule("step", StepDecay{.base = 2, .factor = 0.5, .every = 4});
  check_schedule("multi_step", MultiStepDecay{.base = 2, .factor = 0.1, .milestones = {3, 7, 20}});
  check_schedule("linear", LinearSchedule{.from = 0.5, .to = 1.5, .steps = 10});
  check_schedule("cosine", CosineSchedule{.base = 2, .total = 24, .end = 0.1});
  check_schedule("sequence",
                 ScheduleSequence{.pieces = {{LinearSchedule{.from = 0.2, .to = 2, .steps = 5}, 5}},
                                  .rest = StepDecay{.base = 2, .factor = 0.5, .every = 3}});
  check_schedule("dino_decay", CosineSchedule{.base = 0.04, .total = 24, .end = 0.4});
  check_schedule("byol_momentum", CosineSchedule{.base = 0.996, .total = 24, .end = 1});
}

TEST_CASE("clipping follows PyTorch's and DINO's") {
  const auto& clip = optim_golden()["clip"];
  for (const double limit : {0.5, 100.0}) {
    INFO("limit ", limit);
    WeightAndBias pair;
    pair.set_grads(optim_golden()["gradients"][0]);
    const auto& want = clip[limit == 0.5 ? "norm 0.5" : "norm 100.0"];
    CHECK(clip_gradient_norm(named_parameters(pair), limit) ==
          doctest::Approx(want[0].get<double>()).epsilon(1e-13));
    check_values(pair.weight.tensor().grad(), want[1][0], 1e-13);
    check_values(pair.bias.tensor().grad(), want[1][1], 1e-13);
  }
  WeightAndBias pair;
  pair.set_grads(optim_golden()["gradients"][0]);
  CHECK(clip_each_gradient_norm(named_parameters(pair), 1.7) ==
        doctest::Approx(clip["norm 0.5"][0].get<double>()).epsilon(1e-13));
  check_values(pair.weight.tensor().grad(), clip["each 1.7"][0], 1e-13);
  check_values(pair.bias.tensor().grad(), clip["each 1.7"][1], 1e-13);
}

}  // namespace tsr::test
