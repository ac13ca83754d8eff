#pragma once
// Shadow memory: who touched each byte of shared and of device memory last, and whether it may be touched at
// all.

#include <array>
#include <cstddef>
#include <cstdint>

namespace tsr::emu::check {

/// Anonymous memory that costs nothing until it is touched.
void* reserve(std::size_t bytes);

struct Access {
  std::uint32_t block = 0;   ///< number of the block since the program began, from 1; 0: nobody
  std::uint32_t epoch = 0;   ///< barriers that the block had met
  std::uint32_t clock = 0;   ///< the thread's meetings with its warp
  std::uint16_t thread = 0;  ///< in its block
  bool atomic = false;
  const void* code = nullptr;
};

struct Byte {
  Access write;
  std::array<Access, 2> reads;  ///< the earliest that is not ordered before the latest, and the latest
  std::uint32_t copying = 0;    ///< block in which an asynchronous copy to here is under way
  std::uint16_t copying_thread = 0;
};

/// Device memory: one range of addresses, whose bytes lie in allocations or between them.
inline constexpr std::size_t kDeviceBytes = std::size_t{1} << 30;
std::byte* device_begin();
/// Whether the byte belongs to an allocation.
bool allocated(const std::byte* p);
Byte& device_byte(const std::byte* p);

}  // namespace tsr::emu::check
