#include "nn/positions.h"

#include <cmath>

namespace tsr {

Tensor sincos_positions(Size2d grid, std::int64_t dim) {
  TSR_CHECK(dim > 0 && dim % 4 == 0, "sincos_positions: dim = ", dim, "; 4 must divide it");
  const std::int64_t quarter = dim / 4;
  Tensor positions = empty({std::int64_t{grid.h} * grid.w, dim}, float64);
  auto* row = positions.data<double>();
  for (int y = 0; y < grid.h; ++y)
    for (int x = 0; x < grid.w; ++x, row += dim)
      for (std::int64_t i = 0; i < quarter; ++i) {
        const double omega = std::pow(10000, -static_cast<double>(i) / static_cast<double>(quarter));
        row[i] = std::sin(y * omega);
        row[quarter + i] = std::cos(y * omega);
        row[2 * quarter + i] = std::sin(x * omega);
        row[3 * quarter + i] = std::cos(x * omega);
      }
  return positions;
}

Tensor resize_positions(const Tensor& positions, std::int64_t prefix, Size2d from, Size2d to) {
  const std::int64_t places = std::int64_t{from.h} * from.w;
  TSR_CHECK(positions.rank() == 3 && positions.size(0) == 1 && positions.size(1) == prefix + places,
            "resize_positions: ", describe(positions), " is not [1, ", prefix, " + ", from.h, "·", from.w,
            ", dim]");
  if (from.h == to.h && from.w == to.w) return positions;
  const std::int64_t dim = positions.size(2);
  const Tensor image = reshape(slice(positions, 1, prefix, prefix + places), {1, from.h, from.w, dim});
  const Tensor resized =
      reshape(resize(image, to.h, to.w, {.mode = Interpolation::bicubic, .antialias = true}), {1, -1, dim});
  return prefix == 0 ? resized : concat({slice(positions, 1, 0, prefix), resized}, 1);
}

}  // namespace tsr
