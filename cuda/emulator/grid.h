#pragma once
// A launch: one kernel over a grid of blocks, whose order is nobody's business.

#include <cstddef>
#include <string_view>

#include "cuda/emulator/geometry.h"

namespace tsr::emu {

/// What one kernel launch asks for.
struct LaunchShape {
  dim3 grid, block;
  std::size_t shared_bytes = 0;  ///< dynamic shared memory a block
};

/// A kernel with its arguments, its types forgotten.
struct Grid {
  std::string_view kernel;  ///< its name, for messages
  LaunchShape shape;
  void (*call)(const void* arguments);  ///< runs the kernel as the current thread
  const void* arguments;
};

/// Runs all blocks, on the threads of parallel_for. Throws Error when the shape exceeds a device's limits
/// (1024 threads, 163 KiB of shared memory), and for the first mistake that a block made.
void run_grid(const Grid& grid);

/// Launches since the program began: all of them, and those of kernels whose name contains `kernel`.
std::size_t launch_count();
std::size_t launch_count(std::string_view kernel);

/// The order in which waiting threads run on. 0 (the default) is the cheapest; any other number shuffles
/// blocks' threads, so that what depends on an order shows. TESSERA_EMU_SEED sets it for a program.
void set_schedule_seed(std::uint64_t seed);

}  // namespace tsr::emu
