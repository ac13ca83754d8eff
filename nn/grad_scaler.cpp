#include "nn/grad_scaler.h"

#include <cmath>
#include <limits>

#include "autograd/ops.h"

namespace tsr {

GradScaler::GradScaler(const GradScalerOptions& options) : options_(options), scale_(options.initial_scale) {
  TSR_CHECK(std::isfinite(scale_) && scale_ > 0, "GradScaler: initial scale ", scale_, "; must be positive");
  TSR_CHECK(options.growth_factor > 1 && options.backoff_factor > 0 && options.backoff_factor < 1,
            "GradScaler: growth factor ", options.growth_factor, " and backoff factor ",
            options.backoff_factor, "; need growth > 1 and 0 < backoff < 1");
  TSR_CHECK(options.growth_interval > 0, "GradScaler: growth interval ", options.growth_interval,
            "; must be positive");
}

Tensor GradScaler::scale(const Tensor& loss) const {
  return cast(loss, compute_dtype(loss.dtype())) * scale_;
}

void GradScaler::unscale_(Optimizer& optimizer) {
  const auto [entry, fresh] = unscaled_.try_emplace(&optimizer);
  TSR_CHECK(fresh, "GradScaler: unscale_ was called on this optimizer already; call update() in between");
  const NoGrad guard;
  bool& finite = entry->second.finite;
  for (const ParamGroup& group : optimizer.groups()) {
    for (const NamedTensor& parameter : group.parameters) {
      const Tensor grad = parameter.tensor.grad();
      if (!grad.defined() || grad.numel() == 0) continue;
      const Tensor unscaled = grad * (1 / scale_);
      parameter.tensor.set_grad(unscaled);
      finite = finite && std::isfinite(max(abs(unscaled)).item());
    }
  }
}

bool GradScaler::step(Optimizer& optimizer, double learning_rate) {
  if (!unscaled_.contains(&optimizer)) unscale_(optimizer);
  Progress& progress = unscaled_.at(&optimizer);
  TSR_CHECK(!progress.stepped,
            "GradScaler: step was called on this optimizer already; call update() in between");
  progress.stepped = true;
  if (progress.finite) optimizer.step(learning_rate);
  return progress.finite;
}

void GradScaler::update() {
  TSR_CHECK(!unscaled_.empty(), "GradScaler: update without a step or unscale_ before it");
  bool finite = true;
  for (const auto& [optimizer, progress] : unscaled_) finite = finite && progress.finite;
  unscaled_.clear();
  if (!finite) {
    scale_ *= options_.backoff_factor;
    growth_tracker_ = 0;
    return;
  }
  if (++growth_tracker_ < options_.growth_interval) return;
  growth_tracker_ = 0;
  const double grown = scale_ * options_.growth_factor;
  if (grown <= double{std::numeric_limits<float>::max()}) scale_ = grown;  // the loss is scaled in float32
}

void GradScaler::state(State& s) {
  s.real("scale", scale_);
  s.integer("growth_tracker", growth_tracker_);
}

}  // namespace tsr
