#include "nn/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tensor/error.h"

namespace tsr {

double CosineSchedule::operator()(std::int64_t step) const {
  if (step < warmup) return base * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double progress =
      static_cast<double>(step - warmup) / static_cast<double>(std::max<std::int64_t>(1, total - warmup));
  return end + (base - end) * (1 + std::cos(std::numbers::pi * std::min(1.0, progress))) / 2;
}

double LinearSchedule::operator()(std::int64_t step) const {
  if (step >= steps) return to;
  return from + (to - from) * static_cast<double>(step) / static_cast<double>(steps);
}

double StepDecay::operator()(std::int64_t step) const {
  TSR_CHECK(every > 0, "StepDecay: every = ", every, "; must be positive");
  const std::int64_t decays = step / every;
  return base * std::pow(factor, static_cast<double>(decays));
}

double MultiStepDecay::operator()(std::int64_t step) const {
  const auto reached = std::ranges::count_if(milestones, [step](std::int64_t m) { return m <= step; });
  return base * std::pow(factor, static_cast<double>(reached));
}

double WarmUp::operator()(std::int64_t step) const {
  if (step >= steps) return then(step - steps);
  return then(0) * static_cast<double>(step + 1) / static_cast<double>(steps);
}

double ScheduleSequence::operator()(std::int64_t step) const {
  for (const Piece& piece : pieces) {
    if (step < piece.steps) return piece.schedule(step);
    step -= piece.steps;
  }
  return rest(step);
}

}  // namespace tsr
