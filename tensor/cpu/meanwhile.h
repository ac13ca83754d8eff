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
  using Step = void (*)(void* state);

  /// `steps` calls of step(state), spread evenly over `slots` slots.
  Meanwhile(Step step, void* state, std::int64_t steps, std::int64_t slots)
      : step_(step), state_(state), left_(steps), steps_(steps), slots_(slots) {}

  void slot() {
    for (due_ += steps_; due_ >= slots_ && left_ > 0; due_ -= slots_) take();
  }
  /// Takes the steps that are left: all of them, when the kernels have no slots.
  void finish() {
    while (left_ > 0) take();
  }

 private:
  void take() {
    --left_;
    step_(state_);
  }

  Step step_;
  void* state_;
  std::int64_t left_, steps_, slots_, due_ = 0;
};

}  // namespace tsr::cpu
