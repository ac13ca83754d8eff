#pragma once
// Profile: what kernels ask of memory and of each other, counted while they run in the checking build.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cuda/check/checker.h"
#include "cuda/check/warp_request.h"
#include "cuda/emulator/site.h"

namespace tsr::emu::check {

/// Sums over the warps of a kernel. A warp's lanes make one request when they run the same instruction for
/// the n-th time since all of them last met; a GPU may do otherwise where some of them skipped a turn of a
/// loop.
struct Traffic {
  std::uint64_t accesses = 0;      ///< by threads, of 16 bytes at most
  std::uint64_t bytes = 0;         ///< that threads asked for
  std::uint64_t requests = 0;      ///< by warps
  std::uint64_t transactions = 0;  ///< sectors of global memory, wavefronts of shared memory
  std::uint64_t ideal = 0;         ///< transactions at best
  unsigned worst = 0;              ///< most transactions of one request

  Traffic& operator+=(const Traffic& other);
};

/// What an instruction at a line of the source does, however often it stands there.
struct LineTraffic {
  std::string source;  ///< "cuda/kernels/softmax.cu:41"
  Memory memory;
  Kind kind;
  Traffic traffic;
};

enum class Meeting { barrier, collective, tensor_core };
/// Of a built-in: "__syncthreads" is a barrier, what begins with "mma" a tensor-core instruction.
Meeting meeting_of(std::string_view call);

struct LineMeetings {
  std::string source, call;
  std::uint64_t count = 0;  ///< instructions: a barrier counts once a block, everything else once a warp
};

struct KernelProfile {
  std::string kernel;
  std::uint64_t launches = 0, blocks = 0, threads = 0;
  std::vector<LineTraffic> traffic;    ///< most transactions first
  std::vector<LineMeetings> meetings;  ///< most first

  Traffic total(Memory memory, Kind kind) const;
  std::uint64_t total(Meeting meeting) const;
};

/// Counts from now on, instead of checking.
void begin_profile();
/// Checks again. What was counted, by kernel in the order of their first launches.
std::vector<KernelProfile> end_profile();

// ---- what the hooks tell ----

/// Whether begin_profile was called last.
bool profiling();
void count_launch(std::string_view kernel, std::uint64_t blocks, std::uint64_t threads);
void count_block();
/// The running thread touches memory.
void count_access(const void* p, std::size_t bytes, Memory memory, Kind kind, const void* code);
/// All threads of the block have met, or some of a warp.
void count_barrier(const Site& site);
void count_meeting(const Site& site, unsigned first, unsigned mask);

}  // namespace tsr::emu::check
