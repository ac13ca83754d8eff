#include "cuda/emulator/copies.h"

#include <cstdint>
#include <cstring>

#include "cuda/emulator/block.h"

namespace tsr::emu {
namespace {

void check(const Site& site, const void* shared, const void* global, int bytes, int valid) {
  const auto misaligned = [&](const void* p) {
    return reinterpret_cast<std::uintptr_t>(p) % static_cast<std::uintptr_t>(bytes) != 0;
  };
  const SharedMemory& memory = Block::current().shared();
  if (valid < 0 || valid > bytes) fail(site, valid, " valid bytes of ", bytes);
  if (!memory.holds(shared, static_cast<std::size_t>(bytes))) fail(site, "the target is not shared memory");
  if (misaligned(shared)) fail(site, "the target in shared memory is not ", bytes, "-byte aligned");
  if (memory.holds(global, 1)) fail(site, "the source is shared memory, not global");
  if (misaligned(global)) fail(site, "the source in global memory is not ", bytes, "-byte aligned");
}

}  // namespace

void Copies::issue(const Site& site, void* shared, const void* global, int bytes, int valid) {
  check(site, shared, global, bytes, valid);
  const auto count = static_cast<std::size_t>(bytes);
  std::memset(shared, kPoison, count);
  under_way_.push_back(
      {static_cast<std::byte*>(shared), global, count, static_cast<std::size_t>(valid), groups_});
}

void Copies::wait(std::size_t groups) {
  for (; !under_way_.empty() && under_way_.front().group + groups < groups_; under_way_.pop_front()) {
    const Copy& copy = under_way_.front();
    std::memcpy(copy.to, copy.from, copy.valid);
    std::memset(copy.to + copy.valid, 0, copy.bytes - copy.valid);
  }
}

}  // namespace tsr::emu
