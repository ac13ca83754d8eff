#include "tensor/allocator.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <utility>
#include <vector>

#include "tensor/backend.h"
#include "tensor/error.h"

namespace tsr {
namespace {

constexpr std::size_t kAlignment = 64;

/// Sizes are rounded up to an eighth of their power of two, so that freed blocks fit again.
std::size_t size_class(std::size_t bytes) {
  const std::size_t step = std::max(kAlignment, std::bit_floor(std::max<std::size_t>(bytes, 1)) / 8);
  return (std::max<std::size_t>(bytes, 1) + step - 1) / step * step;
}

/// Large blocks ask for huge pages: activations are streamed through, and small pages cost a TLB miss every
/// 4 KiB.
void* from_system(std::size_t size) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  if (size < 2 * kHugePage) return std::aligned_alloc(kAlignment, size);
  void* pointer = std::aligned_alloc(kHugePage, (size + kHugePage - 1) / kHugePage * kHugePage);
  if (pointer != nullptr)
    ::madvise(pointer, size, MADV_HUGEPAGE);  // advice: without it things just go slower
  return pointer;
}

class HostAllocator final : public Allocator {
 public:
  explicit HostAllocator(Device device) : device_(device) {}

  void* allocate(std::size_t bytes) override {
    const std::size_t size = size_class(bytes);
    std::lock_guard lock(mutex_);
    void* pointer = nullptr;
    if (auto found = free_.find(size); found != free_.end() && !found->second.empty()) {
      pointer = found->second.back();
      found->second.pop_back();
      stats_.cached_bytes -= static_cast<std::int64_t>(size);
    } else {
      pointer = from_system(size);
      if (pointer == nullptr) {
        release_cache();
        pointer = from_system(size);
      }
      TSR_CHECK(pointer != nullptr, device_, ": out of memory: ", bytes, " bytes asked for, ",
                stats_.live_bytes, " in use; reduce the batch or image size");
    }
    stats_.live_bytes += static_cast<std::int64_t>(size);
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes);
    return pointer;
  }

  void release(void* pointer, std::size_t bytes) noexcept override {
    const std::size_t size = size_class(bytes);
    std::lock_guard lock(mutex_);
    stats_.live_bytes -= static_cast<std::int64_t>(size);
    stats_.cached_bytes += static_cast<std::int64_t>(size);
    free_[size].push_back(pointer);
  }

  MemoryStats stats() const override {
    std::lock_guard lock(mutex_);
    return stats_;
  }

  void reset_peak() override {
    std::lock_guard lock(mutex_);
    stats_.peak_bytes = stats_.live_bytes;
  }

  void trim() override {
    std::lock_guard lock(mutex_);
    release_cache();
  }

 private:
  void release_cache() {
    for (auto& [size, blocks] : free_) {
      for (void* block : blocks) std::free(block);
      blocks.clear();
    }
    stats_.cached_bytes = 0;
  }

  Device device_;
  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
  MemoryStats stats_;
};

}  // namespace

Allocator& allocator(Device device) {
  if (device == Device::cpu) [[likely]] {
    static Allocator& cpu = new_host_allocator(Device::cpu);
    return cpu;
  }
  return *backend(device).memory;
}

Allocator& new_host_allocator(Device device) { return *new HostAllocator(device); }

Block::Block(Device device, std::size_t bytes)
    : data_(allocator(device).allocate(bytes)), bytes_(bytes), device_(device) {}

Block::~Block() {
  if (data_ != nullptr) allocator(device_).release(data_, bytes_);
}

Block::Block(Block&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_), device_(other.device_) {}

Block& Block::operator=(Block&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(device_, other.device_);
  return *this;
}

}  // namespace tsr
