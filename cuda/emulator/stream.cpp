#include "cuda/emulator/stream.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "cuda/emulator/watch.h"

namespace tsr::emu {
namespace {

std::atomic<bool>& delayed_streams() {
  static std::atomic<bool> delayed = [] {
    const char* text = std::getenv("TESSERA_EMU_DELAY");
    return text != nullptr && *text == '1';
  }();
  return delayed;
}

}  // namespace

void Stream::enqueue(std::function<void()> work) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  if (!delayed_streams()) synchronize();
}

void Stream::enqueue(const Grid& grid, std::size_t size) {
  std::vector<std::max_align_t> arguments((size + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t));
  std::memcpy(arguments.data(), grid.arguments, size);
  enqueue([queued = grid, arguments = std::move(arguments)]() mutable {
    queued.arguments = arguments.data();
    run_grid(queued);
  });
}

void Stream::synchronize() { run(nullptr); }

void Stream::run(const std::atomic<bool>* reached) {
  std::lock_guard lock(mutex_);
  while (!queue_.empty() && (reached == nullptr || !*reached)) {
    const auto work = std::move(queue_.front());
    queue_.pop_front();
    work();
  }
}

void Event::record(Stream& stream) {
  mark_ = std::make_shared<Mark>(stream);
  stream.enqueue([mark = mark_] { mark->reached = true; });
}

void Event::block(Stream& stream) const {
  if (mark_ != nullptr) stream.enqueue([event = *this] { event.synchronize(); });
}

void Event::synchronize() const {
  // No further than the mark: what follows it may itself wait for the stream that waits here.
  if (mark_ != nullptr && !mark_->reached) mark_->stream.run(&mark_->reached);
}

void set_delayed_streams(bool delayed) { delayed_streams() = delayed; }

void copy_async(void* to, const void* from, std::size_t bytes, Stream& stream) {
  stream.enqueue([=] {
    const watch::DeviceAccess access;
    std::memcpy(to, from, bytes);
  });
}

}  // namespace tsr::emu
