#pragma once
// Schedules: hyper-parameters that change with the step.

#include <concepts>
#include <cstdint>
#include <functional>
#include <vector>

namespace tsr {

/// A number as a function of the step, which counts from 0. A plain number is a schedule that never changes,
/// and so is any callable double(std::int64_t): each of the structs below, a lambda.
class Schedule {
 public:
  Schedule(double value) : at_([value](std::int64_t) { return value; }) {}
  template <class F>
  requires(std::regular_invocable<const F&, std::int64_t> && !std::same_as<F, Schedule>) Schedule(F at)
      : at_(std::move(at)) {}

  double operator()(std::int64_t step) const { return at_(step); }

 private:
  std::function<double(std::int64_t)> at_;
};

/// Linear from base/warmup to base over `warmup` steps, then half a cosine down (or up) to `end` at `total`
/// (Loshchilov and Hutter 2017; Goyal et al. 2017). s < warmup gives base·(s + 1)/warmup, later end + (base -
/// end)·(1 + cos(π·(s - warmup)/(total - warmup)))/2.
struct CosineSchedule {
  double base = 0;
  std::int64_t warmup = 0, total = 1;
  double end = 0;
  double operator()(std::int64_t step) const;
};

/// From `from` at step 0 to `to` at step `steps`, where it stays.
struct LinearSchedule {
  double from = 0, to = 0;
  std::int64_t steps = 1;
  double operator()(std::int64_t step) const;
};

/// base·factor^⌊s/every⌋.
struct StepDecay {
  double base = 0, factor = 0.1;
  std::int64_t every = 1;
  double operator()(std::int64_t step) const;
};

/// base·factor^(how many milestones s has reached).
struct MultiStepDecay {
  double base = 0, factor = 0.1;
  std::vector<std::int64_t> milestones = {};
  double operator()(std::int64_t step) const;
};

/// Linear up to where `then` starts: then(0)·(s + 1)/steps for s < steps, later then(s - steps).
struct WarmUp {
  std::int64_t steps = 0;
  Schedule then = 0;
  double operator()(std::int64_t step) const;
};

/// One schedule after another, each counting from its own start; the last one goes on for ever.
struct ScheduleSequence {
  struct Piece {
    Schedule schedule = 0;
    std::int64_t steps = 0;
  };
  std::vector<Piece> pieces = {};
  Schedule rest = 0;
  double operator()(std::int64_t step) const;
};

}  // namespace tsr
