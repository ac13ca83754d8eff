#pragma once
// What the checking build (cuda/check/) is told by the emulator. In every other build these are empty.

#include <cstddef>
#include <string_view>

#include "cuda/emulator/site.h"
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

/// A kernel is launched: its blocks run until the next call, and can race with each other.
void launch_begins(std::string_view kernel, std::size_t blocks, std::size_t threads);
/// A block begins; its shared memory lies in [arena, arena + bytes).
void block_begins(const void* arena, std::size_t bytes);
/// A variable of the block; only such memory of the arena may be touched.
void shared_begins(const void* begin, std::size_t bytes);
/// All threads of the block have met at a built-in.
void barrier_met(const Site& site);
/// The lanes of `mask` of the warp whose first thread is `first` have met at a built-in.
void warp_met(const Site& site, unsigned first, unsigned mask);

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
inline void launch_begins(std::string_view, std::size_t, std::size_t) {}
inline void block_begins(const void*, std::size_t) {}
inline void shared_begins(const void*, std::size_t) {}
inline void barrier_met(const Site&) {}
inline void warp_met(const Site&, unsigned, unsigned) {}
inline void copy_issued(void*, std::size_t, const void*, std::size_t) {}
inline void group_committed() {}
inline void group_wait(std::size_t) {}
inline Allocator& device_memory() { return new_host_allocator(Device::emu); }

#endif

}  // namespace tsr::emu::watch
