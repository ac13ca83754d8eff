// Work for the vector units while a machine's tiles multiply.
//
// A product of tiles keeps a unit of its own busy for 16 cycles with one instruction; a core that has other
// instructions at hand runs them at the same time. They must be near: a core looks a few hundred ahead. So
// kernels offer slots between their products, and the work comes in steps that are spread over them.
#pragma once

#include <cstdint>

namespace tsr::cpu {

class Meanwhile {
 public:
  /// Nothing to do.
  Meanwhile() = default;
  /// All steps of a job, which has steps() and step(), for about `slots` slots. They come at a steady pace,
  /// so that a core foresees which slots have some: a multiple of a quarter of a step. The job outlives this.
  template <class Job>
  Meanwhile(Job& job, std::int64_t slots)
      : step_([](void* self) { static_cast<Job*>(self)->step(); }),
        job_(&job),
        left_(job.steps()),
        pace_(slots > 0 ? (kStep * left_ + slots - 1) / slots : 0) {}

  [[gnu::always_inline]] void slot() {
    for (due_ += pace_; due_ >= kStep && left_ > 0; due_ -= kStep) take();
  }
  /// Takes the steps that are left: all of them, when the kernels have no slots.
  void finish() {
    while (left_ > 0) take();
  }

 private:
  static constexpr std::int64_t kStep = 4;

  void take() {
    --left_;
    step_(job_);
  }

  void (*step_)(void* job) = nullptr;
  void* job_ = nullptr;
  std::int64_t left_ = 0, pace_ = 0, due_ = 0;
};

}  // namespace tsr::cpu
