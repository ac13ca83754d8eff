#include "ssl/trainer.h"

#include <algorithm>
#include <cmath>

#include "autograd/autocast.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

/// Constant, or half a cosine from weight_decay to weight_decay_end over the run (DINO).
Schedule read_decay(const TrainerOptions& o, double usual, Settings& s) {
  const double decay = s.real("weight_decay", usual, 0, 1e3);
  return CosineSchedule{
      .base = decay, .total = o.total_steps, .end = s.real("weight_decay_end", decay, 0, 1e3)};
}

std::unique_ptr<Optimizer> make_lars(const std::vector<NamedTensor>& parameters, const TrainerOptions& o,
                                     Settings& s) {
  const Schedule decay = read_decay(o, 1e-6, s);
  const double momentum = s.real("momentum", 0.9, 0, 0.9999);
  const bool exclude = s.flag("lars_exclude", true);
  return std::make_unique<Lars>(
      exclude ? decay_groups(parameters, decay) : std::vector<ParamGroup>{{parameters, decay}},
      LarsOptions{.momentum = momentum, .trust = s.real("trust", 0.001, 0, 1e3)});
}

std::unique_ptr<Optimizer> make_sgd(const std::vector<NamedTensor>& parameters, const TrainerOptions& o,
                                    Settings& s) {
  const Schedule decay = read_decay(o, 5e-4, s);
  return std::make_unique<Sgd>(std::vector<ParamGroup>{{parameters, decay}},
                               SgdOptions{.momentum = s.real("momentum", 0.9, 0, 0.9999)});
}

std::unique_ptr<Optimizer> make_adam(const std::vector<NamedTensor>& parameters, const TrainerOptions& o,
                                     bool decoupled, Settings& s) {
  const Schedule decay = read_decay(o, decoupled ? 0.04 : 0, s);
  const AdamOptions options{.beta1 = s.real("beta1", 0.9, 0, 0.9999),
                            .beta2 = s.real("beta2", 0.999, 0, 0.999999),
                            .epsilon = s.real("epsilon", 1e-8, 0, 1)};
  std::vector<ParamGroup> groups{{parameters, decay}};
  if (s.flag("decay_exclude", true))
    groups = param_groups(parameters, {{.where = is_vector}, {.group = {.weight_decay = decay}}});
  if (decoupled) return std::make_unique<AdamW>(std::move(groups), options);
  return std::make_unique<Adam>(std::move(groups), options);
}

std::unique_ptr<Optimizer> make_optimizer(Method& method, const std::string& kind, const TrainerOptions& o,
                                          Settings& s) {
  const auto parameters = named_parameters(method);
  if (kind == "lars") return make_lars(parameters, o, s);
  if (kind == "sgd") return make_sgd(parameters, o, s);
  return make_adam(parameters, o, kind == "adamw", s);
}

CosineSchedule make_schedule(const TrainerOptions& o, const std::string& kind, Settings& s) {
  const double scale = static_cast<double>(o.batch_size) / 256;
  const double usual = kind == "lars" ? 0.3 : kind == "sgd" ? 0.03 : 5e-4;
  const double base = s.real("base_learning_rate", usual, 0, 1e6);
  const double rate = s.real("learning_rate", base * scale, 0, 1e6);
  const double tenth = static_cast<double>(o.total_steps) / static_cast<double>(o.steps_per_epoch) / 10;
  const double epochs = s.real("warmup_epochs", std::min(10.0, tenth), 0, 1e9);
  const auto steps = static_cast<std::int64_t>(std::llround(epochs * static_cast<double>(o.steps_per_epoch)));
  return {.base = rate,
          .warmup = s.integer("warmup_steps", steps, 0),
          .total = o.total_steps,
          .end = s.real("learning_rate_end", 0, 0, 1e6)};
}

/// Samples begin … end-1 of a batch.
Batch part_of(const Batch& batch, std::int64_t begin, std::int64_t end) {
  const auto rows = [=](const Tensor& tensor) {
    return tensor.defined() ? slice(tensor, 0, begin, end) : Tensor();
  };
  Batch part{.views = {}, .labels = rows(batch.labels), .ids = rows(batch.ids), .epoch = batch.epoch};
  for (const Tensor& view : batch.views) part.views.push_back(rows(view));
  return part;
}

}  // namespace

Trainer::Trainer(Method& method, const TrainerOptions& options, Settings& settings)
    : method_(method), compute_(options.compute) {
  const std::string kind = settings.choice("optimizer", "lars", {"lars", "sgd", "adam", "adamw"});
  optimizer_ = make_optimizer(method, kind, options, settings);
  schedule_ = make_schedule(options, kind, settings);
  method_.clock = {.steps_per_epoch = options.steps_per_epoch, .total_steps = options.total_steps};
  method_.plan(settings);
  clip_norm_ = settings.real("clip_norm", 0, 0);
  clip_each_norm_ = settings.real("clip_each_norm", 0, 0);
  TSR_CHECK_INPUT(clip_norm_ == 0 || clip_each_norm_ == 0,
                  "settings clip_norm and clip_each_norm exclude each other; leave one at 0");
  accumulate_ = settings.integer("accumulate", 1, 1);
  TSR_CHECK_INPUT(options.batch_size % accumulate_ == 0, "setting accumulate=", accumulate_,
                  ": doesn't divide the batch of ", options.batch_size);
  if (compute_ == float16)
    scaler_.emplace(GradScalerOptions{.initial_scale = settings.real("loss_scale", 65536, 1, 1e30),
                                      .growth_interval = settings.integer("loss_scale_interval", 2000, 1)});
}

Tensor Trainer::compute_loss(const Batch& batch) {
  const Autocast guard(compute_);
  return method_.loss(batch);
}

StepReport Trainer::step(const Batch& batch) {
  optimizer_->zero_grad();
  method_.clock.step = step_;
  method_.draws.begin_step(step_);
  method_.before_step();
  StepReport report;
  report.samples_per_loss = batch.views.front().size(0) / accumulate_;
  if (scaler_) report.loss_scale = scaler_->current_scale();
  report.loss = backward(batch);
  if (scaler_) scaler_->unscale_(*optimizer_);
  report.gradient_norm = clip();
  method_.before_update();
  report.learning_rate = schedule_(step_);
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

double Trainer::backward(const Batch& batch) {
  const std::int64_t samples = batch.views.front().size(0), part = samples / accumulate_;
  TSR_CHECK(part * accumulate_ == samples, "training: a batch of ", samples, " doesn't divide into ",
            accumulate_, " parts; see the setting accumulate");
  double total = 0;
  for (std::int64_t i = 0; i < accumulate_; ++i) {
    Tensor loss = compute_loss(accumulate_ == 1 ? batch : part_of(batch, i * part, (i + 1) * part));
    const double value = loss.item();
    TSR_CHECK(std::isfinite(value), "training: the loss is ", value, " at step ", step_,
              "; lower the learning rate or raise the temperature");
    if (accumulate_ > 1) loss = loss / static_cast<double>(accumulate_);
    (scaler_ ? scaler_->scale(loss) : loss).backward();
    total += value;
  }
  return total / static_cast<double>(accumulate_);
}

double Trainer::clip() {
  const auto parameters = named_parameters(method_);
  if (clip_norm_ > 0) return clip_gradient_norm(parameters, clip_norm_);
  if (clip_each_norm_ > 0) return clip_each_gradient_norm(parameters, clip_each_norm_);
  return gradient_norm(parameters);
}

void Trainer::state(State& s) {
  s.module("method", method_);
  s.child("draws", method_.draws);
  s.child("optimizer", *optimizer_);
  if (scaler_) s.child("scaler", *scaler_);
  s.generator("layers", layer_generator());
  s.integer("step", step_);
}

}  // namespace tsr
