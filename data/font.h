#pragma once
// A 5 × 7 bitmap font for ASCII.

#include <array>
#include <cstdint>

namespace tsr {

inline constexpr int kGlyphWidth = 5, kGlyphHeight = 7;

/// Five columns from the left; bit 0 of each is the top row. What is not printable ASCII looks like '?'.
const std::array<std::uint8_t, kGlyphWidth>& glyph(char character);

}  // namespace tsr
