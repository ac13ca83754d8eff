#pragma once
// The form in which augmentation works on an image: one float plane a channel.

#include <cstddef>
#include <vector>

namespace tsr {

/// A window on float memory: values nominally in 0…1, rows dense within a plane, planes `stride` apart.
/// Behind each plane lies room for a vector register, which vector loops may read and overwrite.
struct Planes {
  float* data = nullptr;
  int channels = 0, height = 0, width = 0;
  std::size_t stride = 0;

  float* plane(int channel) const { return data + static_cast<std::size_t>(channel) * stride; }
  float* row(int channel, int y) const {
    return plane(channel) + static_cast<std::size_t>(y) * static_cast<std::size_t>(width);
  }
  std::size_t pixels() const { return static_cast<std::size_t>(height) * static_cast<std::size_t>(width); }
};

/// Lanes of the widest vectors that the pixel loops use, and so the room behind a plane.
inline constexpr std::size_t kPlaneLanes = 16;

/// Memory for planes, kept for reuse.
class PlaneBuffer {
 public:
  /// Planes of this size; their contents are undefined. Those given before are no longer valid.
  Planes reshape(int channels, int height, int width) {
    Planes planes{nullptr, channels, height, width, 0};
    planes.stride = (planes.pixels() + 2 * kPlaneLanes - 1) / kPlaneLanes * kPlaneLanes;
    const std::size_t needed = static_cast<std::size_t>(channels) * planes.stride;
    if (values_.size() < needed) values_.resize(needed);
    planes.data = values_.data();
    return planes;
  }

 private:
  std::vector<float> values_;
};

}  // namespace tsr
