#pragma once
// Uploads that don't wait: host memory which a device reads by itself, used in turn.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <mutex>

namespace tsr {

/// Copies from the host to a device behind queued work, for a GPU's streams and for the emulator's alike.
/// Transfer gives Stream, Event, copy_async and `void* pinned_memory(bytes)`. Thread-safe.
template <class Transfer>
class Staging {
 public:
  static constexpr std::size_t kPiece = 4 << 20;

  /// Queues the copy; returns when `from` may change or go, which is before the device has the bytes.
  void upload(void* to, const void* from, std::size_t bytes, typename Transfer::Stream& stream) {
    const std::lock_guard lock(mutex_);
    for (std::size_t begin = 0; begin < bytes; begin += kPiece) {
      Slot& slot = slots_[next_++ % slots_.size()];
      if (slot.memory == nullptr) slot.memory = Transfer::pinned_memory(kPiece);
      slot.copied.synchronize();  // what it held before may still be on its way
      const std::size_t count = std::min(kPiece, bytes - begin);
      std::memcpy(slot.memory, static_cast<const std::byte*>(from) + begin, count);
      Transfer::copy_async(static_cast<std::byte*>(to) + begin, slot.memory, count, stream);
      slot.copied.record(stream);
    }
  }

 private:
  struct Slot {
    void* memory = nullptr;  ///< never freed: a device may read it until the program's end
    typename Transfer::Event copied;
  };

  std::mutex mutex_;
  std::array<Slot, 8> slots_;
  std::size_t next_ = 0;
};

}  // namespace tsr
