#pragma once
// Fiber: a stack of its own that runs until it hands over to another fiber of the same OS thread. A switch
// costs some nanoseconds (Boost.Context's fcontext: it saves registers, and enters no kernel).

#include <cstddef>

namespace tsr::emu {

/// Neither copied nor moved: a switch remembers where it came from by address.
class Fiber {
 public:
  /// The stack that the OS thread already runs on.
  Fiber() = default;
  /// A fiber with a stack, which calls body(argument) at the first switch to it; `body` never returns.
  Fiber(void (*body)(void*), void* argument);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Forgets what the fiber was doing, destroying nothing on its stack: the next switch calls body again.
  void restart();
  /// Goes on with `to`, and returns when somebody switches back to `from`, which is the running fiber.
  static void switch_from(Fiber& from, Fiber& to);

 private:
  struct Entry;

  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
  std::byte* memory_ = nullptr;  ///< a guard page, then the stack
  void* context_ = nullptr;      ///< where it stopped
  // For the sanitizers, which must know whose stack they look at.
  const void* stack_ = nullptr;
  std::size_t stack_size_ = 0;
  void* sanitizer_ = nullptr;
};

}  // namespace tsr::emu
