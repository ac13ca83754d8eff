#pragma once
// Ctrl-C as a request to stop at the next good place.

#include <csignal>

namespace tsr {

/// While one is alive, the first SIGINT or SIGTERM is only noted; a second one ends the program at once. One
/// at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  bool requested() const;

 private:
  struct sigaction previous_int_, previous_term_;
};

}  // namespace tsr
