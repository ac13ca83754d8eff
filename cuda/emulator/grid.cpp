#include "cuda/emulator/grid.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>

#include "cuda/emulator/block.h"
#include "cuda/emulator/watch.h"
#include "tensor/parallel.h"

namespace tsr::emu {
namespace {

struct Launches {
  std::mutex mutex;
  std::map<std::string, std::size_t, std::less<>> by_kernel;
  std::size_t total = 0;
};

Launches& launches() {
  static Launches all;
  return all;
}

std::atomic<std::uint64_t>& schedule_seed() {
  static std::atomic<std::uint64_t> seed = [] {
    const char* text = std::getenv("TESSERA_EMU_SEED");
    return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
  }();
  return seed;
}

void count(std::string_view kernel) {
  std::lock_guard lock(launches().mutex);
  ++launches().total;
  if (auto found = launches().by_kernel.find(kernel); found != launches().by_kernel.end()) {
    ++found->second;
  } else {
    launches().by_kernel.emplace(kernel, 1);
  }
}

void check_shape(const Grid& grid) {
  const auto& [blocks, block, shared_bytes] = grid.shape;
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  TSR_CHECK(threads >= 1 && threads <= kMostThreads && block.z <= 64, "emu: ", grid.kernel, ": a block of ",
            block.x, " x ", block.y, " x ", block.z, " threads; a device takes 1 to ", kMostThreads,
            ", and 64 along z");
  TSR_CHECK(blocks.x >= 1 && blocks.x <= 0x7fffffffu && blocks.y >= 1 && blocks.y <= 65535 && blocks.z >= 1 &&
                blocks.z <= 65535,
            "emu: ", grid.kernel, ": a grid of ", blocks.x, " x ", blocks.y, " x ", blocks.z,
            " blocks; a device takes 1 to 2147483647 along x and to 65535 along y and z");
  TSR_CHECK(shared_bytes <= kMostShared, "emu: ", grid.kernel, ": ", shared_bytes,
            " bytes of dynamic shared memory, the limit is ", kMostShared);
}

}  // namespace

void run_grid(const Grid& grid) {
  check_shape(grid);
  count(grid.kernel);
  const dim3& blocks = grid.shape.grid;
  const std::int64_t total = std::int64_t{blocks.x} * blocks.y * blocks.z;
  const std::uint64_t seed = schedule_seed();
  constexpr std::int64_t kChunks = 64;  // enough to share out evenly, few enough to cost nothing
  const std::int64_t grain = watch::kOneBlockAtATime ? total : (total + kChunks - 1) / kChunks;
  const watch::DeviceAccess access;
  const dim3& block = grid.shape.block;
  watch::launch_begins(grid.kernel, static_cast<std::size_t>(total),
                       std::size_t{block.x} * block.y * block.z);
  parallel_for(total, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const uint3 index{static_cast<unsigned>(i % blocks.x), static_cast<unsigned>(i / blocks.x % blocks.y),
                        static_cast<unsigned>(i / blocks.x / blocks.y)};
      Block::current().run(grid, index, seed);
    }
  });
}

std::size_t launch_count() {
  std::lock_guard lock(launches().mutex);
  return launches().total;
}

std::size_t launch_count(std::string_view kernel) {
  std::lock_guard lock(launches().mutex);
  std::size_t sum = 0;
  for (const auto& [name, count] : launches().by_kernel)
    if (name.find(kernel) != std::string::npos) sum += count;
  return sum;
}

void set_schedule_seed(std::uint64_t seed) { schedule_seed() = seed; }

}  // namespace tsr::emu
