#include "apps/attention_picture.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "autograd/ops.h"
#include "data/draw.h"
#include "data/image_io.h"

namespace tsr {
namespace {

/// The colour of a value in 0 … 1: black, purple, red, orange, pale yellow, as light rises.
Rgb heat(float value) {
  static constexpr std::array<std::array<float, 3>, 5> kStops{
      {{0, 0, 4}, {81, 18, 124}, {183, 55, 121}, {252, 137, 97}, {252, 253, 191}}};
  const float place = std::clamp(value, 0.0F, 1.0F) * static_cast<float>(kStops.size() - 1);
  const std::size_t below = std::min(static_cast<std::size_t>(place), kStops.size() - 2);
  const float share = place - static_cast<float>(below);
  Rgb color{};
  for (std::size_t c = 0; c < color.size(); ++c)
    color[c] = static_cast<std::uint8_t>(
        std::lround(kStops[below][c] + share * (kStops[below + 1][c] - kStops[below][c])));
  return color;
}

/// A map [rows, columns] as an image of height × width, a rectangle a patch.
Image picture_of(const Tensor& map, int height, int width) {
  const Tensor dense = contiguous(map);
  const float largest = std::max(static_cast<float>(max(dense).item()), 1e-30F);
  Image image(height, width, 3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const std::int64_t row = y * map.size(0) / height, column = x * map.size(1) / width;
      const Rgb color = heat(dense.data<float>()[row * map.size(1) + column] / largest);
      std::copy(color.begin(), color.end(), image.at(y, x));
    }
  return image;
}

SheetCell cell_of(const Tensor& map, const Image& like, const std::string& name) {
  return {
      picture_of(map, like.height, like.width), {}, text(name, " ", std::lround(100 * max(map).item()), "%")};
}

}  // namespace

void write_attention_picture(const std::filesystem::path& file, const std::vector<AttendedImage>& images) {
  std::vector<SheetCell> cells;
  for (const AttendedImage& each : images) {
    cells.push_back({to_rgb(each.image), {}, each.name});
    cells.push_back(cell_of(mean(each.maps, {0}), each.image, "mean"));
    for (std::int64_t head = 0; head < each.maps.size(0); ++head)
      cells.push_back(cell_of(select(each.maps, 0, head), each.image, text("head ", head + 1)));
  }
  const Image& first = images.front().image;
  write_png(file, draw_sheet(cells, {.columns = 2 + static_cast<int>(images.front().maps.size(0)),
                                     .enlarge = std::max(1, 140 / std::max(first.height, first.width)),
                                     .frame = 0,
                                     .gap = 10,
                                     .text = 2,
                                     .first_column_gap = 16}));
}

}  // namespace tsr
