#pragma once
// Positions: a vector for each place of a grid of patches, added to what the patch shows.

#include "nn/layers.h"

namespace tsr {

/// Fixed positions, float64 [grid.h·grid.w, dim], row by row: the place (y, x) has sin(y·ω), cos(y·ω),
/// sin(x·ω), cos(x·ω), a quarter of dim each, with ω_i = 10000^(-i/(dim/4)). On a square grid these are MoCo
/// v3's (Chen, Xie and He, ICCV 2021), whose code calls our y x. Throws Error unless 4 divides dim.
Tensor sincos_positions(Size2d grid, std::int64_t dim);

/// Positions [1, prefix + from.h·from.w, dim] for another grid: the first `prefix` stay, the others are an
/// image that is resized bicubically with antialiasing, as timm does. The same tensor when the grids agree.
Tensor resize_positions(const Tensor& positions, std::int64_t prefix, Size2d from, Size2d to);

}  // namespace tsr
