// Work for the vector units while a machine's tiles multiply.
//
// A product of tiles keeps a unit of its own busy for 16 cycles with one instruction; a core that has other
// instructions at hand runs them at the same time. They must be near: a core looks a few hundred ahead. So
// kernels offer slots between their products, and the work comes in steps that are spread over them.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tsr::cpu {

class Meanwhile {
 public:
  using Step = void (*)(void* state);

  /// `steps` calls of step(state), for about `slots` slots. They come at a steady pace, so that a core
  /// foresees which slots have some: every so many slots, or so many in each.
  Meanwhile(Step step, void* state, std::int64_t steps, std::int64_t slots)
      : step_(step),
        state_(state),
        left_(steps),
        every_(steps > 0 ? std::max<std::int64_t>(1, slots / steps) : 1),
        burst_(slots > 0 ? std::max<std::int64_t>(1, (steps + slots - 1) / slots) : 1) {}

  void slot() {
    if (++waited_ < every_) return;
    waited_ = 0;
    for (std::int64_t i = 0; i < burst_ && left_ > 0; ++i) take();
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
  std::int64_t left_, every_, burst_, waited_ = 0;
};

}  // namespace tsr::cpu
