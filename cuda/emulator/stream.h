#pragma once
// Streams, events and transfers, with the meaning that they have on a GPU: what is queued on one stream runs
// in order, and the host may look at a result only after it has waited.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <tuple>
#include <type_traits>

#include "cuda/current_stream.h"
#include "cuda/emulator/grid.h"
#include "cuda/kernel_name.h"

namespace tsr::emu {

/// The most that an argument of a kernel may ask for.
inline constexpr std::size_t kArgumentAlignment = alignof(std::max_align_t);

/// Queued work, run at once unless delayed (below). Thread-safe. Errors of kernels come from the call that
/// runs them.
class Stream {
 public:
  /// Queues work behind what is queued already.
  void enqueue(std::function<void()> work);
  /// Queues a kernel over a grid; the `size` bytes of its arguments are copied, as on a GPU.
  void enqueue(const Grid& grid, std::size_t size);
  /// Returns when everything queued so far has run.
  void synchronize();

 private:
  friend class Event;
  /// Runs queued work up to the piece that sets `reached`, or all of it when there is none.
  void run(const std::atomic<bool>* reached);

  std::mutex mutex_;
  std::deque<std::function<void()>> queue_;
};

/// A mark in a stream. Copies are the same event.
class Event {
 public:
  /// Marks what `stream` holds now.
  void record(Stream& stream);
  /// Work queued on `stream` from now on waits for the mark.
  void block(Stream& stream) const;
  /// Returns when the mark is reached; at once if nothing was recorded.
  void synchronize() const;

 private:
  struct Mark {
    explicit Mark(Stream& stream) : stream(stream) {}
    Stream& stream;
    std::atomic<bool> reached = false;
  };
  std::shared_ptr<Mark> mark_;
};

/// The stream that ops of this OS thread use.
inline Stream& current_stream() { return stream_of_thread<Stream>(); }
using StreamScope = StreamScopeOf<Stream>;

/// When delayed, queued work runs as late as it may: when somebody waits for it. A program that forgets to
/// wait then reads old values. TESSERA_EMU_DELAY=1 sets it for a program.
void set_delayed_streams(bool delayed);

/// Queues a copy; `from` must hold until it has run.
void copy_async(void* to, const void* from, std::size_t bytes, Stream& stream);

/// A kernel's address with the types of its parameters.
template <auto kernel>
struct Launchable;
template <class... Parameters, void (*kernel)(Parameters...)>
struct Launchable<kernel> {
  using Arguments = std::tuple<std::remove_cv_t<Parameters>...>;
  static_assert((std::is_trivially_copyable_v<Parameters> && ...) &&
                alignof(Arguments) <= kArgumentAlignment);

  static void launch(const LaunchShape& shape, Stream& stream, Parameters... parameters) {
    const Arguments arguments(parameters...);
    stream.enqueue({kernel_name<kernel>(), shape, call, &arguments}, sizeof arguments);
  }
  static void call(const void* arguments) { std::apply(kernel, *static_cast<const Arguments*>(arguments)); }
};

/// launch<softmax_kernel<float>>({.grid = {rows}, .block = {256}}, stream, x, y, n): queues the kernel over a
/// grid.
template <auto kernel, class... Arguments>
void launch(const LaunchShape& shape, Stream& stream, const Arguments&... arguments) {
  Launchable<kernel>::launch(shape, stream, arguments...);
}

}  // namespace tsr::emu
