#pragma once
// The words that a random op must have used, taken one by one.

#include <array>
#include <cstdint>

#include "tensor/random.h"

namespace tsr::test {

inline constexpr std::uint64_t kSeed = 0x123456789abcdef0u, kDraw = 0x1122334455u;

/// The four words that element i shares with its neighbours in draw kDraw of a Generator with kSeed.
inline std::array<std::uint32_t, 4> words_of(std::int64_t i) {
  return philox({static_cast<std::uint32_t>(i / 4), 0, static_cast<std::uint32_t>(kDraw),
                 static_cast<std::uint32_t>(kDraw >> 32)},
                {static_cast<std::uint32_t>(kSeed), static_cast<std::uint32_t>(kSeed >> 32)});
}

}  // namespace tsr::test
