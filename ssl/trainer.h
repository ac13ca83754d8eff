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
  double loss = 0;           ///< the mean over the parts that gradients were accumulated of
  double gradient_norm = 0;  ///< before clipping
  double learning_rate = 0;
  std::int64_t samples_per_loss = 0;  ///< that each call of the method's loss saw
  std::optional<double> loss_scale;   ///< that this step's gradients were computed with; in float16 alone
  bool skipped = false;               ///< a gradient wasn't finite, so no parameter has moved
};

/// Settings read:
///   optimizer         lars, sgd, adam or adamw
///   base_learning_rate  0.3 for lars, 0.03 for sgd, 5e-4 for adam and adamw
///   learning_rate     base_learning_rate times batch/256
///   learning_rate_end 0: where half a cosine takes it by the end of the run
///   warmup_epochs     10, at most a tenth of the run; or warmup_steps
///   weight_decay      1e-6 for lars, 5e-4 for sgd, 0 for adam, 0.04 for adamw
///   weight_decay_end  where half a cosine takes it by the end of the run (weight_decay: it stays)
///   momentum          0.9, of lars and sgd; beta1 (0.9), beta2 (0.999), epsilon (1e-8) of adam and adamw
///   trust             0.001, of lars
///   lars_exclude      true: norms and biases are neither adapted nor decayed by lars
///   decay_exclude     true: norms and biases are not decayed by adam and adamw
///   clip_norm         0 (off): clips the norm of all gradients together
///   clip_each_norm    0 (off): clips each parameter's gradient by its own norm
///   accumulate        1: each batch is cut into this many parts, one after another through the networks, and
///                     their gradients add up to that of the mean of the parts' losses. For a loss that is a
///                     mean over samples this is the gradient of the whole batch; batch norm, and a
///                     contrastive loss with its negatives, see one part at a time.
///   loss_scale        65536, of float16: where it starts; loss_scale_interval (2000): steps until it grows
class Trainer {
 public:
  Trainer(Method& method, const TrainerOptions& options, Settings& settings);

  /// Loss, gradients, update, and what the method does before and after. Throws Error when the loss is not
  /// finite, before the optimiser changes anything.
  StepReport step(const Batch& batch);
  std::int64_t steps_done() const { return step_; }
  void state(State& s);

 private:
  Tensor compute_loss(const Batch& batch);
  double backward(const Batch& batch);
  double clip();

  Method& method_;
  DType compute_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<GradScaler> scaler_;  ///< for float16
  CosineSchedule schedule_;
  double clip_norm_ = 0, clip_each_norm_ = 0;
  std::int64_t accumulate_ = 1;
  std::int64_t step_ = 0;
};

}  // namespace tsr
