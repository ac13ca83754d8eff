#pragma once
// WarpRequest: what the lanes of a warp ask of memory with one instruction, and what a GPU makes of it.

#include <array>
#include <cstddef>
#include <cstdint>

namespace tsr::emu::check {

enum class Memory { global, shared };

/// The lanes' addresses; each touches `bytes` there: 1, 2, 4, 8 or 16, as one instruction can.
struct WarpRequest {
  unsigned lanes = 0;  ///< mask of those that take part
  unsigned bytes = 0;
  std::array<std::uintptr_t, 32> address{};

  void add(unsigned lane, const void* p, std::size_t size);
};

/// How often memory must be asked for a request, and how often it would be if the lanes' addresses were
/// better ones.
struct Transactions {
  unsigned actual = 0, ideal = 0;
};

/// Global memory moves in sectors of 32 bytes; each that a lane touches counts once. Ideal: as many as the
/// bytes touched would fill. (CUDA C++ Best Practices Guide, "Coalesced Access to Global Memory".)
Transactions sectors(const WarpRequest& request);

/// Shared memory has 32 banks, word w of 4 bytes in bank w mod 32; in one wavefront each bank gives one word,
/// to any number of lanes. Lanes that want different words of a bank wait for each other. Words of 8 bytes
/// are served half a warp after the other, of 16 bytes a quarter. Ideal: a wavefront for each such part.
/// (CUDA C++ Best Practices Guide, "Shared Memory and Memory Banks".)
Transactions wavefronts(const WarpRequest& request);

}  // namespace tsr::emu::check
