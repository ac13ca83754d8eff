#include "ssl/trainer.h"

#include <algorithm>
#include <cmath>

#include "autograd/autocast.h"

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

Trainer::Trainer(Method& method, const TrainerOptions& options, Settings& settings)
    : method_(method), compute_(options.compute) {
  const std::string kind = settings.choice("optimizer", "lars", {"lars", "sgd"});
  optimizer_ = make_optimizer(method, kind, settings);
  schedule_ = make_schedule(options, kind, settings);
  if (compute_ == float16)
    scaler_.emplace(GradScalerOptions{.initial_scale = settings.real("loss_scale", 65536, 1, 1e30),
                                      .growth_interval = settings.integer("loss_scale_interval", 2000, 1)});
}

Tensor Trainer::compute_loss(const Batch& batch) {
  const Autocast guard(compute_);
  return method_.loss(batch);
}

StepReport Trainer::step(const Batch& batch) {
  StepReport report;
  optimizer_->zero_grad();
  const Tensor loss = compute_loss(batch);
  report.loss = loss.item();
  TSR_CHECK(std::isfinite(report.loss), "training: the loss is ", report.loss, " at step ", step_,
            "; lower the learning rate or raise the temperature");
  report.learning_rate = schedule_(step_);
  if (scaler_) {
    report.loss_scale = scaler_->current_scale();
    scaler_->scale(loss).backward();
    scaler_->unscale_(*optimizer_);
  } else {
    loss.backward();
  }
  report.gradient_norm = gradient_norm(named_parameters(method_));
  if (scaler_) {
    report.skipped = !scaler_->step(*optimizer_, report.learning_rate);
    scaler_->update();
  } else {
    optimizer_->step(report.learning_rate);
  }
  method_.after_step();
  ++step_;
  return report;
}

void Trainer::state(State& s) {
  s.module("method", method_);
  s.child("optimizer", *optimizer_);
  if (scaler_) s.child("scaler", *scaler_);
  s.integer("step", step_);
}

}  // namespace tsr
