#pragma once
// The exponential moving average of a module's weights: teachers, target and momentum encoders.

#include "nn/module.h"

namespace tsr {

/// What the average does with buffers (running statistics).
enum class EmaBuffers {
  keep,     ///< the teacher has its own
  copy,     ///< the teacher takes the student's
  average,  ///< as parameters; integers are copied
};

/// teacher ← momentum·teacher + (1 - momentum)·student, for every parameter (MoCo's eq. 2, BYOL's eq. 1).
/// Throws Error unless both are of one structure and 0 ≤ momentum ≤ 1. A momentum that changes is a
/// Schedule: BYOL's is CosineSchedule{.base = 0.996, .total = steps, .end = 1}.
void ema_update(Module& teacher, Module& student, double momentum, EmaBuffers buffers = EmaBuffers::keep);

}  // namespace tsr
