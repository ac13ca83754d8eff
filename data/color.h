#pragma once
// Colour changes on planes, in place, by torchvision's formulas
// (torchvision/transforms/_functional_tensor.py) in float: results are clamped to 0…1, never rounded to
// bytes.

#include <array>

#include "data/planes.h"

namespace tsr {

/// factor · x: 0 is black.
void adjust_brightness(const Planes& image, float factor);
/// factor · x + (1 - factor) · m, with m the mean of the grey image: 0 is that grey.
void adjust_contrast(const Planes& image, float factor);
/// factor · x + (1 - factor) · grey of the pixel. Does nothing to one channel.
void adjust_saturation(const Planes& image, float factor);
/// Turns the hue (HSV) by `turn` of a full circle. Does nothing to one channel.
void adjust_hue(const Planes& image, float turn);
/// 0.2989 R + 0.587 G + 0.114 B in all three channels. Does nothing to one channel.
void make_grey(const Planes& image);
/// x ↦ 1 - x where x ≥ threshold.
void solarize(const Planes& image, float threshold);

/// Writes pixels channels last: out[y, x, c] = (image[c, y, x] - mean[c]) / std[c].
void store_normalized(const Planes& image, const std::array<float, 3>& mean, const std::array<float, 3>& std,
                      float* out);

}  // namespace tsr
