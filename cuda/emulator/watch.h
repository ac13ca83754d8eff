#pragma once
// What the checking build (cuda/check/) is told by the emulator. In every other build these are empty.

#include <cstddef>

#include "tensor/allocator.h"

namespace tsr::emu::watch {

#if defined(TSR_EMU_CHECK)
inline constexpr bool kOneBlockAtATime = true;

/// While one lives, this OS thread may touch device memory; one lives at a time.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

/// Blocks that run until the next call can race with each other.
void launch_begins();
/// A block begins; its shared memory lies in [arena, arena + bytes).
void block_begins(const void* arena, std::size_t bytes);
/// A variable of the block; only such memory of the arena may be touched.
void shared_begins(const void* begin, std::size_t bytes);
/// All threads of the block have met.
void barrier_met();
/// The lanes of `mask` of the warp whose first thread is `first` have met.
void warp_met(unsigned first, unsigned mask);

// Asynchronous copies of the running thread: issued to [to, to + bytes) from [from, from + valid), gathered
// into a group, and waited for until at most `groups` groups are under way.
void copy_issued(void* to, std::size_t bytes, const void* from, std::size_t valid);
void group_committed();
void group_wait(std::size_t groups);

/// Device memory whose every byte is known to be in use or not.
Allocator& device_memory();

#else
inline constexpr bool kOneBlockAtATime = false;

struct DeviceAccess {
  DeviceAccess() {}  // not trivial, so that nobody calls it unused
};
inline void launch_begins() {}
inline void block_begins(const void*, std::size_t) {}
inline void shared_begins(const void*, std::size_t) {}
inline void barrier_met() {}
inline void warp_met(unsigned, unsigned) {}
inline void copy_issued(void*, std::size_t, const void*, std::size_t) {}
inline void group_committed() {}
inline void group_wait(std::size_t) {}
inline Allocator& device_memory() { return new_host_allocator(Device::emu); }

#endif

}  // namespace tsr::emu::watch
