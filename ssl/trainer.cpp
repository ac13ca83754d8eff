#include "ssl/trainer.h"

#include <algorithm>
#include <cmath>

namespace tsr {
namespace {

std::unique_ptr<Optimizer> make_optimizer(Method& method, const std::string& kind, Settings& s) {
  const bool lars = kind == "lars";
  const double decay = s.real("weight_decay", lars ? 1e-6 : 5e-4, 0, 1e3),
               momentum = s.real("momentum", 0.9, 0, 0.9999);
  const auto parameters = named_parameters(method);
  if (!lars)
    return std::make_unique<Sgd>(std::vector<ParamGroup>{{parameters, decay}},
                                 SgdOptions{.momentum = momentum});
  const bool exclude = s.flag("lars_exclude", true);
  return std::make_unique<Lars>(
      exclude ? decay_groups(parameters, decay) : std::vector<ParamGroup>{{parameters, decay}},
      LarsOptions{.momentum = momentum, .trust = s.real("trust", 0.001, 0, 1e3)});
}

CosineSchedule make_schedule(const TrainerOptions& o, const std::string& kind, Settings& s) {
  const double scale = static_cast<double>(o.batch_size) / 256;
  const double rate = s.real("learning_rate", (kind == "lars" ? 0.3 : 0.03) * scale, 0, 1e6);
  const double tenth = static_cast<double>(o.total_steps) / static_cast<double>(o.steps_per_epoch) / 10;
  const double epochs = s.real("warmup_epochs", std::min(10.0, tenth), 0, 1e9);
  const auto steps = static_cast<std::int64_t>(std::llround(epochs * static_cast<double>(o.steps_per_epoch)));
  return {.base = rate, .warmup = s.integer("warmup_steps", steps, 0), .total = o.total_steps};
}

}  // namespace

Trainer::Trainer(Method& method, const TrainerOptions& options, Settings& settings) : method_(method) {
  const std::string kind = settings.choice("optimizer", "lars", {"lars", "sgd"});
  optimizer_ = make_optimizer(method, kind, settings);
  schedule_ = make_schedule(options, kind, settings);
}

StepReport Trainer::step(const Batch& batch) {
  StepReport report;
  optimizer_->zero_grad();
  method_.draws.begin_step(step_);
  const Tensor loss = method_.loss(batch);
  report.loss = loss.item();
  TSR_CHECK(std::isfinite(report.loss), "training: the loss is ", report.loss, " at step ", step_,
            "; lower the learning rate or raise the temperature");
  loss.backward();
  report.gradient_norm = gradient_norm(named_parameters(method_));
  report.learning_rate = schedule_(step_);
  optimizer_->step(report.learning_rate);
  method_.after_step();
  ++step_;
  return report;
}

void Trainer::state(State& s) {
  s.module("method", method_);
  s.child("draws", method_.draws);
  s.child("optimizer", *optimizer_);
  s.integer("step", step_);
}

}  // namespace tsr
