#pragma once
// The shared memory of a block: one arena an OS thread, laid out anew and poisoned for each block.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cuda/emulator/site.h"

namespace tsr::emu {

/// What sm_80 gives a block. A launch may ask for all of kMostShared, a kernel declare kMostStatic.
inline constexpr std::size_t kMostStatic = std::size_t{48} << 10;
inline constexpr std::size_t kMostShared = std::size_t{163} << 10;

class SharedMemory {
 public:
  SharedMemory();

  /// Forgets the last block's variables. `dynamic_bytes` are at dynamic() until the next call.
  void begin_block(std::size_t dynamic_bytes);
  std::byte* dynamic() { return arena_.get(); }
  /// The variable declared at `key`, the same for every thread of the block.
  void* variable(const void* key, const char* name, std::size_t bytes, std::size_t alignment);
  /// Whether [p, p + bytes) lies in what the block has of the arena.
  bool holds(const void* p, std::size_t bytes) const {
    const auto* begin = static_cast<const std::byte*>(p);
    return begin >= arena_.get() && begin + bytes <= arena_.get() + used_;
  }
  /// Reports a write between the variables, or behind the last one.
  void check_red_zones() const;

 private:
  static constexpr std::size_t kRedZone = 64;
  static constexpr std::size_t kMostVariables = 64;
  static constexpr std::size_t kArena = kMostShared + (kMostVariables + 1) * 2 * kRedZone;

  struct Variable {
    const void* key;
    const char* name;
    std::size_t begin, bytes;
  };
  struct Free {
    void operator()(std::byte* memory) const;
  };
  void red_zone();

  std::unique_ptr<std::byte[], Free> arena_;
  std::size_t dynamic_bytes_ = 0;
  std::size_t used_ = 0;  ///< of the arena, red zones included
  std::size_t static_bytes_ = 0;
  std::vector<Variable> variables_;
};

/// Poison: a NaN in every floating type, and a large number in every integer one.
inline constexpr int kPoison = 0xFF;

}  // namespace tsr::emu
