#pragma once
// The ten outlines of the procedural data set, as signed distances (after I. Quilez, "2D distance functions",
// https://iquilezles.org/articles/distfunctions2d/).

#include <array>
#include <string>
#include <vector>

namespace tsr {

struct Point {
  float x, y;
};

/// Distance from a point to an outline: negative inside. The shape lies around the origin, of radius about 1,
/// y pointing down.
using SignedDistance = float (*)(Point);

struct Outline {
  const char* name;
  SignedDistance distance;
};

inline constexpr int kOutlineCount = 10;
const std::array<Outline, kOutlineCount>& outlines();

}  // namespace tsr
