// Work for the vector units while a machine's tiles multiply.
//
// A product of tiles keeps a unit of its own busy for 16 cycles with one instruction; a core that has other
// instructions at hand runs them at the same time. They must be near: a core looks a few hundred ahead. So
// kernels offer slots between their products, and the work comes in steps that are spread over them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tsr::cpu {

class Meanwhile {
 public:
  /// All steps of a job, which has steps() and step(). It outlives this.
  template <class Job>
  void add(Job& job) {
    const std::int64_t steps = job.steps();
    if (steps == 0) return;
    jobs_[count_++] = {[](void* self) { static_cast<Job*>(self)->step(); }, &job, steps};
    left_ += steps;
  }
  /// The steps will be taken in about `slots` slots, at a steady pace, so that a core foresees which slots
  /// have some: a multiple of a quarter of a step.
  void spread(std::int64_t slots) { pace_ = slots > 0 ? (kStep * left_ + slots - 1) / slots : 0; }

  [[gnu::always_inline]] void slot() {
    for (due_ += pace_; due_ >= kStep && left_ > 0; due_ -= kStep) take();
  }
  /// Takes the steps that are left: all of them, when the kernels have no slots.
  void finish() {
    while (left_ > 0) take();
  }

 private:
  struct Job {
    void (*step)(void* self);
    void* self;
    std::int64_t left;
  };
  static constexpr std::int64_t kStep = 4;

  void take() {
    Job& job = jobs_[first_];
    --left_;
    if (--job.left == 0) ++first_;
    job.step(job.self);
  }

  std::array<Job, 4> jobs_{};
  std::size_t first_ = 0, count_ = 0;
  std::int64_t left_ = 0, pace_ = 0, due_ = 0;
};

}  // namespace tsr::cpu
