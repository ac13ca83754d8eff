#pragma once
// What augmentation does to pixels, by plain loops in double.

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "data/image.h"
#include "data/resize.h"

namespace tsr::test {

inline double unit(double x) { return std::clamp(x, 0.0, 1.0); }
inline double grey(const double* p) { return 0.2989 * p[0] + 0.587 * p[1] + 0.114 * p[2]; }

/// A triangle of half-width max(1, in / out) around each output's centre, over all pixels of the box.
inline double reference_resize(const Image& image, const Box& box, int height, int width, int y, int x,
                               int c) {
  auto triangle = [](int i, int out_index, int in, int out) {
    const double scale = static_cast<double>(in) / out, center = scale * (out_index + 0.5);
    return std::max(0.0, 1 - std::fabs(i + 0.5 - center) / std::max(1.0, scale));
  };
  double sum = 0, total = 0;
  for (int i = 0; i < box.height; ++i) {
    for (int j = 0; j < box.width; ++j) {
      const double weight = triangle(i, y, box.height, height) * triangle(j, x, box.width, width);
      sum += weight * image.at(box.top + i, box.left + j)[c] / 255.0;
      total += weight;
    }
  }
  return sum / total;
}

/// The textbook way to HSV and back, by cases.
inline std::array<double, 3> reference_hue(const double* p, double turn) {
  const double value = std::max({p[0], p[1], p[2]}), chroma = value - std::min({p[0], p[1], p[2]});
  if (chroma == 0) return {p[0], p[1], p[2]};
  double hue = 0;
  if (value == p[0])
    hue = (p[1] - p[2]) / chroma;
  else if (value == p[1])
    hue = 2 + (p[2] - p[0]) / chroma;
  else
    hue = 4 + (p[0] - p[1]) / chroma;
  hue = hue / 6 + turn;
  hue -= std::floor(hue);
  const double sixth = std::floor(hue * 6), part = hue * 6 - sixth, s = chroma / value;
  const double low = value * (1 - s), falling = value * (1 - s * part), rising = value * (1 - s * (1 - part));
  switch (static_cast<int>(sixth) % 6) {
    case 0:
      return {value, rising, low};
    case 1:
      return {falling, value, low};
    case 2:
      return {low, value, rising};
    case 3:
      return {low, falling, value};
    case 4:
      return {rising, low, value};
    default:
      return {value, low, falling};
  }
}

/// The plain double sum, edges reflected: of [height, width, channels].
inline std::vector<double> reference_blur(const std::vector<double>& image, int height, int width,
                                          int channels, int radius, double sigma) {
  const auto reflect = [](int i, int size) { return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i; };
  std::vector<double> result;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        double sum = 0, total = 0;
        for (int i = -radius; i <= radius; ++i) {
          for (int j = -radius; j <= radius; ++j) {
            const double weight = std::exp(-(i * i + j * j) / (2 * sigma * sigma));
            const int place = (reflect(y + i, height) * width + reflect(x + j, width)) * channels + c;
            sum += weight * image[static_cast<std::size_t>(place)];
            total += weight;
          }
        }
        result.push_back(sum / total);
      }
    }
  }
  return result;
}

}  // namespace tsr::test
