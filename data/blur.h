#pragma once
// Gaussian blur on planes.

#include "data/planes.h"

namespace tsr {

/// Convolves each plane, in place, with a Gaussian of standard deviation `sigma` pixels, cut at ±radius and
/// normalised; the edges are reflected (torchvision's gaussian_blur with kernel size 2·radius + 1). Throws
/// Error unless sigma > 0 and 0 ≤ radius < both sides.
void gaussian_blur(const Planes& image, int radius, float sigma);

}  // namespace tsr
