#pragma once
// Caching allocator: blocks are 64-byte aligned, kept by size class when freed, and counted.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "tensor/device.h"

namespace tsr {

/// Bytes that an allocator has handed out and holds.
struct MemoryStats {
  std::int64_t live_bytes = 0;    ///< in use now
  std::int64_t peak_bytes = 0;    ///< the most that were in use at once since the last reset
  std::int64_t cached_bytes = 0;  ///< freed and kept for reuse
};

/// One device's memory. Thread-safe.
class Allocator {
 public:
  virtual ~Allocator() = default;
  /// At least `bytes` bytes, 64-byte aligned, contents undefined. Throws Error when memory is exhausted.
  virtual void* allocate(std::size_t bytes) = 0;
  /// Returns what allocate(bytes) gave, with the same `bytes`.
  virtual void release(void* pointer, std::size_t bytes) noexcept = 0;
  virtual MemoryStats stats() const = 0;
  virtual void reset_peak() = 0;
  /// Gives cached blocks back to the system.
  virtual void trim() = 0;
};

/// The allocator of a device; throws InputError for a device that this build or machine lacks.
Allocator& allocator(Device device);
/// A caching allocator of host memory, for the device that its messages name. Never destroyed: tensors with
/// static lifetime may outlive main.
Allocator& new_host_allocator(Device device);

/// A block with an owner.
class Block {
 public:
  Block() = default;
  Block(Device device, std::size_t bytes);
  ~Block();
  Block(Block&& other) noexcept;
  Block& operator=(Block&& other) noexcept;

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  Device device_ = Device::cpu;
};

}  // namespace tsr
