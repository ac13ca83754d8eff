#include "apps/interrupt.h"

namespace tsr {
namespace {
volatile std::sig_atomic_t interrupted = 0;
}

InterruptGuard::InterruptGuard() : previous_int_(), previous_term_() {
  interrupted = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, &previous_int_);
  sigaction(SIGTERM, &action, &previous_term_);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &previous_int_, nullptr);
  sigaction(SIGTERM, &previous_term_, nullptr);
}

bool InterruptGuard::requested() const { return interrupted != 0; }

}  // namespace tsr
