#pragma once
// GradScaler: keeps float16 gradients out of underflow.

#include <map>

#include "nn/optim.h"

namespace tsr {

struct GradScalerOptions {
  double initial_scale = 65536;
  double growth_factor = 2, backoff_factor = 0.5;
  std::int64_t growth_interval = 2000;  ///< steps without an overflow before the scale grows
};

/// Dynamic loss scaling (Micikevicius et al., "Mixed Precision Training", ICLR 2018, §3.2), with PyTorch's
/// rules and names:
///
///   scaler.scale(loss).backward();      // every gradient is scale times too large, in range of float16
///   scaler.unscale_(optimizer);         // only where gradients are looked at or clipped before the step
///   scaler.step(optimizer, rate);       // nothing happens when a gradient isn't finite
///   scaler.update();                    // backs off after an overflow, grows after growth_interval steps
///   without
class GradScaler {
 public:
  explicit GradScaler(const GradScalerOptions& options = {});

  /// loss · scale, in float32 at least.
  Tensor scale(const Tensor& loss) const;
  /// Divides the gradients of the optimiser's parameters by the scale; once between two updates.
  void unscale_(Optimizer& optimizer);
  /// Unscales unless that is done, and steps unless a gradient isn't finite; whether it stepped.
  bool step(Optimizer& optimizer, double learning_rate);
  /// Adapts the scale to what unscale_ has met since the last update. Throws Error when that is nothing.
  void update();

  double current_scale() const { return scale_; }
  void state(State& s);

 private:
  struct Progress {
    bool finite = true, stepped = false;
  };

  GradScalerOptions options_;
  double scale_;
  std::int64_t growth_tracker_ = 0;  ///< steps without an overflow since the scale last changed
  std::map<const Optimizer*, Progress> unscaled_;
};

}  // namespace tsr
