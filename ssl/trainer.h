#pragma once
// Trainer: one optimisation step after another, and all that must survive between them.

#include <memory>
#include <optional>

#include "nn/grad_scaler.h"
#include "nn/optim.h"
#include "ssl/method.h"

namespace tsr {

/// How long a run is.
struct TrainerOptions {
  std::int64_t batch_size = 256;
  std::int64_t steps_per_epoch = 1;
  std::int64_t total_steps = 1;
  DType compute =
      float32;  ///< bfloat16 or float16: the loss is computed under autocast in it; else no autocast
};

struct StepReport {
  double loss = 0;
  double gradient_norm = 0;
  double learning_rate = 0;
  std::optional<double> loss_scale;  ///< that this step's gradients were computed with; in float16 alone
  bool skipped = false;              ///< a gradient wasn't finite, so no parameter has moved
};

/// Settings read: optimizer (lars, sgd), learning_rate (0.3·batch/256 for lars, 0.03·batch/256 for sgd),
/// momentum (0.9), weight_decay (1e-6 for lars, 5e-4 for sgd), trust (0.001), lars_exclude (true: norms and
/// biases are neither adapted nor decayed), warmup_epochs (10, at most a tenth of the run), warmup_steps; in
/// float16 loss_scale (65536, at the start) and loss_scale_interval (2000 steps until it grows).
class Trainer {
 public:
  Trainer(Method& method, const TrainerOptions& options, Settings& settings);

  /// Loss, gradients, update, and the method's after_step. Throws Error when the loss is not finite, before
  /// anything is changed.
  StepReport step(const Batch& batch);
  std::int64_t steps_done() const { return step_; }
  void state(State& s);

 private:
  Tensor compute_loss(const Batch& batch);

  Method& method_;
  DType compute_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<GradScaler> scaler_;  ///< for float16
  CosineSchedule schedule_;
  std::int64_t step_ = 0;
};

}  // namespace tsr
