#include "cuda/emulator/fiber.h"

#include <boost/context/detail/fcontext.hpp>
#include <sys/mman.h>

#include "tensor/error.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#elif defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace tsr::emu {
namespace {

namespace context = boost::context::detail;

constexpr std::size_t kPage = 4096;
// Pages cost nothing until they are touched. Instrumented frames are several times larger.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStack = std::size_t{512} << 10;
#else
constexpr std::size_t kStack = std::size_t{128} << 10;
#endif

}  // namespace

struct Fiber::Entry {
  /// What a switch carries: who left, and who is entered.
  struct Switch {
    Fiber *from, *to;
  };
  static void note(const context::transfer_t& transfer) {
    auto& from = *static_cast<Switch*>(transfer.data)->from;
    from.context_ = transfer.fctx;
  }
  static void run(context::transfer_t transfer) {
    const Switch carried = *static_cast<Switch*>(transfer.data);
    note(transfer);
    // An OS thread's own stack becomes known here.
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &carried.from->stack_, &carried.from->stack_size_);
#endif
    carried.to->body_(carried.to->argument_);
  }
};

Fiber::Fiber(void (*body)(void*), void* argument) : body_(body), argument_(argument) {
  void* memory = ::mmap(nullptr, kPage + kStack, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  TSR_CHECK(memory != MAP_FAILED, "emu: no memory for a thread's stack of ", kStack, " bytes");
  memory_ = static_cast<std::byte*>(memory);
  ::mprotect(memory_, kPage, PROT_NONE);
  stack_ = memory_ + kPage;
  stack_size_ = kStack;
  restart();
}

Fiber::~Fiber() {
  if (memory_ == nullptr) return;
#if defined(__SANITIZE_THREAD__)
  if (sanitizer_ != nullptr) __tsan_destroy_fiber(sanitizer_);
#endif
  ::munmap(memory_, kPage + kStack);
}

void Fiber::restart() {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack_, stack_size_);
  sanitizer_ = nullptr;
#endif
  context_ = context::make_fcontext(memory_ + kPage + kStack, kStack, &Entry::run);
}

void Fiber::switch_from(Fiber& from, Fiber& to) {
  Entry::Switch carried{&from, &to};
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.sanitizer_, to.stack_, to.stack_size_);
#elif defined(__SANITIZE_THREAD__)
  if (from.sanitizer_ == nullptr) from.sanitizer_ = __tsan_get_current_fiber();
  if (to.sanitizer_ == nullptr) to.sanitizer_ = __tsan_create_fiber(0);
  __tsan_switch_to_fiber(to.sanitizer_, 0);
#endif
  const context::transfer_t transfer = context::jump_fcontext(to.context_, &carried);
  Entry::note(transfer);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.sanitizer_, nullptr, nullptr);
#endif
}

}  // namespace tsr::emu
