#include "data/draw.h"

#include <algorithm>
#include <cstddef>

#include "data/font.h"
#include "tensor/error.h"

namespace tsr {
namespace {

void check_canvas(const char* what, const Image& canvas) {
  TSR_CHECK(canvas.channels == 3, what, ": a canvas has 3 channels, not ", canvas.channels);
}

}  // namespace

Image to_rgb(const Image& image) {
  if (image.channels == 3) return image;
  TSR_CHECK(image.channels == 1, "to_rgb: ", image.channels, " channels where 1 or 3 were expected");
  Image result(image.height, image.width, 3);
  for (std::size_t i = 0; i < result.pixels.size(); ++i) result.pixels[i] = image.pixels[i / 3];
  return result;
}

Image enlarge(const Image& image, int factor) {
  TSR_CHECK(factor >= 1, "enlarge: factor ", factor, " must be at least 1");
  Image result(image.height * factor, image.width * factor, image.channels);
  for (int y = 0; y < result.height; ++y)
    for (int x = 0; x < result.width; ++x)
      std::copy_n(image.at(y / factor, x / factor), image.channels, result.at(y, x));
  return result;
}

void paste(Image& canvas, const Image& image, int top, int left) {
  check_canvas("paste", canvas);
  check_canvas("paste", image);
  for (int y = std::max(0, -top); y < std::min(image.height, canvas.height - top); ++y)
    for (int x = std::max(0, -left); x < std::min(image.width, canvas.width - left); ++x)
      std::copy_n(image.at(y, x), 3, canvas.at(top + y, left + x));
}

void fill_rectangle(Image& canvas, int top, int left, int height, int width, Rgb color) {
  check_canvas("fill_rectangle", canvas);
  for (int y = std::max(0, top); y < std::min(canvas.height, top + height); ++y)
    for (int x = std::max(0, left); x < std::min(canvas.width, left + width); ++x)
      std::copy_n(color.data(), 3, canvas.at(y, x));
}

void draw_text(Image& canvas, int top, int left, std::string_view text, Rgb color, int factor) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto& columns = glyph(text[i]);
    const int start = left + static_cast<int>(i) * (kGlyphWidth + 1) * factor;
    for (int x = 0; x < kGlyphWidth; ++x)
      for (int y = 0; y < kGlyphHeight; ++y)
        if (columns[static_cast<std::size_t>(x)] >> y & 1)
          fill_rectangle(canvas, top + y * factor, start + x * factor, factor, factor, color);
  }
}

int text_width(std::string_view text, int factor) {
  return text.empty() ? 0 : (static_cast<int>(text.size()) * (kGlyphWidth + 1) - 1) * factor;
}

int text_height(int factor) { return kGlyphHeight * factor; }

Image draw_sheet(const std::vector<SheetCell>& cells, const SheetStyle& style) {
  TSR_CHECK(!cells.empty() && style.columns >= 1, "draw_sheet: ", cells.size(), " cells in ", style.columns,
            " columns");
  int height = 0, width = 0;
  bool captions = false;
  for (const SheetCell& cell : cells) {
    height = std::max(height, cell.image.height * style.enlarge);
    width = std::max(width, cell.image.width * style.enlarge);
    captions = captions || !cell.caption.empty();
  }
  const int place_height =
      height + 2 * style.frame + (captions ? text_height(style.text) + style.gap / 2 : 0);
  const int place_width = width + 2 * style.frame;
  const int columns = std::min(style.columns, static_cast<int>(cells.size()));
  const int rows = (static_cast<int>(cells.size()) + columns - 1) / columns;
  Image sheet(rows * (place_height + style.gap) + style.gap,
              columns * (place_width + style.gap) + style.gap + style.first_column_gap, 3, 255);
  const auto letters = static_cast<std::size_t>((place_width / style.text + 1) / (kGlyphWidth + 1));

  for (std::size_t i = 0; i < cells.size(); ++i) {
    const int row = static_cast<int>(i) / columns, column = static_cast<int>(i) % columns;
    const int top = style.gap + row * (place_height + style.gap);
    const int left =
        style.gap + column * (place_width + style.gap) + (column > 0 ? style.first_column_gap : 0);
    const Image image = enlarge(to_rgb(cells[i].image), style.enlarge);
    if (cells[i].frame)
      fill_rectangle(sheet, top, left, image.height + 2 * style.frame, image.width + 2 * style.frame,
                     *cells[i].frame);
    paste(sheet, image, top + style.frame, left + style.frame);
    draw_text(sheet, top + height + 2 * style.frame + style.gap / 2, left + style.frame,
              std::string_view(cells[i].caption).substr(0, letters), {0, 0, 0}, style.text);
  }
  return sheet;
}

}  // namespace tsr
