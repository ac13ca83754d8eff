#pragma once
// An 8-bit image in memory.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tsr {

/// Pixels in rows from the top, channels last (HWC): 1 channel is grey, 3 are red, green, blue.
struct Image {
  int height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  /// All bytes `value`.
  Image(int height, int width, int channels, std::uint8_t value = 0)
      : height(height),
        width(width),
        channels(channels),
        pixels(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) *
                   static_cast<std::size_t>(channels),
               value) {}

  std::uint8_t* at(int y, int x) { return pixels.data() + offset(y, x); }
  const std::uint8_t* at(int y, int x) const { return pixels.data() + offset(y, x); }

 private:
  std::size_t offset(int y, int x) const {
    return (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) *
           static_cast<std::size_t>(channels);
  }
};

}  // namespace tsr
