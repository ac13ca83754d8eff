#include "data/shape_distance.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tsr {
namespace {

float length(Point p) { return std::sqrt(p.x * p.x + p.y * p.y); }

float box(Point p, float half_width, float half_height) {
  const float dx = std::fabs(p.x) - half_width, dy = std::fabs(p.y) - half_height;
  return length({std::max(dx, 0.f), std::max(dy, 0.f)}) + std::min(std::max(dx, dy), 0.f);
}

/// Exact for any simple polygon: the nearest edge, with the sign by counting crossings.
template <std::size_t N>
float polygon(Point p, const std::array<Point, N>& corners) {
  float nearest = 1e9f, sign = 1;
  for (std::size_t i = 0, j = N - 1; i < N; j = i++) {
    const Point a = corners[i], b = corners[j];
    const Point edge{b.x - a.x, b.y - a.y}, from{p.x - a.x, p.y - a.y};
    const float along =
        std::clamp((from.x * edge.x + from.y * edge.y) / (edge.x * edge.x + edge.y * edge.y), 0.f, 1.f);
    nearest = std::min(nearest, length({from.x - along * edge.x, from.y - along * edge.y}));
    if ((a.y > p.y) != (b.y > p.y) && p.x < a.x + edge.x * (p.y - a.y) / edge.y) sign = -sign;
  }
  return sign * nearest;
}

std::array<Point, 10> star_corners() {
  std::array<Point, 10> corners{};
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const float angle = std::numbers::pi_v<float> * static_cast<float>(i) / 5, radius = i % 2 ? 0.42f : 1.1f;
    corners[i] = {radius * std::sin(angle), -radius * std::cos(angle)};
  }
  return corners;
}

float disc(Point p) { return length(p) - 0.9f; }
float ring(Point p) { return std::fabs(length(p) - 0.7f) - 0.24f; }
float square(Point p) { return box(p, 0.78f, 0.78f); }
float bar(Point p) { return box(p, 1.05f, 0.3f); }
float cross(Point p) { return std::min(box(p, 1, 0.3f), box(p, 0.3f, 1)); }
float crescent(Point p) { return std::max(length(p) - 0.95f, 0.75f - length({p.x - 0.5f, p.y})); }
float half_disc(Point p) { return std::max(length({p.x, p.y - 0.4f}) - 1, p.y - 0.4f); }
float triangle(Point p) {
  return polygon(p, std::array<Point, 3>{{{0, -1.05f}, {0.95f, 0.65f}, {-0.95f, 0.65f}}});
}
float star(Point p) {
  static const std::array<Point, 10> corners = star_corners();
  return polygon(p, corners);
}
float arrow(Point p) {
  return polygon(p, std::array<Point, 7>{{{1.1f, 0},
                                          {0.2f, 0.8f},
                                          {0.2f, 0.28f},
                                          {-1.05f, 0.28f},
                                          {-1.05f, -0.28f},
                                          {0.2f, -0.28f},
                                          {0.2f, -0.8f}}});
}

}  // namespace

const std::array<Outline, kOutlineCount>& outlines() {
  static constexpr std::array<Outline, kOutlineCount> all = {{{"disc", disc},
                                                              {"ring", ring},
                                                              {"square", square},
                                                              {"bar", bar},
                                                              {"triangle", triangle},
                                                              {"cross", cross},
                                                              {"star", star},
                                                              {"crescent", crescent},
                                                              {"half disc", half_disc},
                                                              {"arrow", arrow}}};
  return all;
}

}  // namespace tsr
