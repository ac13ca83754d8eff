#include "cuda/emulator/shared_memory.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "cuda/emulator/watch.h"

namespace tsr::emu {
namespace {

constexpr auto kZone = std::byte{0xA5};

std::byte* aligned_bytes(std::size_t count) {
  // 128 bytes are the alignment that a device gives to an arena, and the coarsest that a kernel may rely on.
  return static_cast<std::byte*>(::operator new[](count, std::align_val_t{128}));
}

}  // namespace

void SharedMemory::Free::operator()(std::byte* memory) const {
  ::operator delete[](memory, std::align_val_t{128});
}

SharedMemory::SharedMemory() : arena_(aligned_bytes(kArena)) {}

void SharedMemory::begin_block(std::size_t dynamic_bytes) {
  variables_.clear();
  watch::block_begins(arena_.get(), kArena);
  watch::shared_begins(arena_.get(), dynamic_bytes);
  static_bytes_ = 0;
  dynamic_bytes_ = dynamic_bytes;
  std::memset(arena_.get(), kPoison, dynamic_bytes);
  used_ = dynamic_bytes;
  red_zone();
}

void SharedMemory::red_zone() {
  std::memset(arena_.get() + used_, static_cast<int>(kZone), kRedZone);
  used_ += kRedZone;
}

void* SharedMemory::variable(const void* key, const char* name, std::size_t bytes, std::size_t alignment) {
  for (const Variable& known : variables_)
    if (known.key == key) return arena_.get() + known.begin;
  static_bytes_ += bytes;
  if (static_bytes_ > kMostStatic)
    fail({}, "shared variable ", name, ": ", static_bytes_, " bytes of static shared memory, the limit is ",
         kMostStatic, "; use DYN_SHARED");
  if (static_bytes_ + dynamic_bytes_ > kMostShared || variables_.size() == kMostVariables)
    fail({}, "shared variable ", name, ": ", static_bytes_ + dynamic_bytes_, " bytes of shared memory in ",
         variables_.size() + 1, " variables, the limit is ", kMostShared);
  const std::size_t begin = (used_ + alignment - 1) / alignment * alignment;
  std::memset(arena_.get() + used_, static_cast<int>(kZone), begin - used_);
  std::memset(arena_.get() + begin, kPoison, bytes);
  variables_.push_back({key, name, begin, bytes});
  watch::shared_begins(arena_.get() + begin, bytes);
  used_ = begin + bytes;
  red_zone();
  return arena_.get() + begin;
}

void SharedMemory::check_red_zones() const {
  const auto intact = [&](std::size_t begin, std::size_t end) {
    return std::all_of(arena_.get() + begin, arena_.get() + end, [](std::byte b) { return b == kZone; });
  };
  std::size_t behind = dynamic_bytes_;
  const char* name = "dynamic shared memory";
  for (const Variable& variable : variables_) {
    if (!intact(behind, variable.begin)) fail({}, "wrote beyond the end of ", name);
    behind = variable.begin + variable.bytes;
    name = variable.name;
  }
  if (!intact(behind, used_)) fail({}, "wrote beyond the end of ", name);
}

}  // namespace tsr::emu
