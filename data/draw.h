#pragma once
// A little drawing for sheets of images: paste, enlarge, frames, text.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/image.h"

namespace tsr {

using Rgb = std::array<std::uint8_t, 3>;

/// Three equal channels from one; a 3-channel image as it is.
Image to_rgb(const Image& image);
/// Each pixel as a square of factor × factor.
Image enlarge(const Image& image, int factor);
/// Copies a 3-channel image into another with its top left corner at (top, left); what lies outside is cut
/// off.
void paste(Image& canvas, const Image& image, int top, int left);
void fill_rectangle(Image& canvas, int top, int left, int height, int width, Rgb color);
/// Printable ASCII in a 5 × 7 font, one pixel between letters, each pixel a square of factor × factor; other
/// characters are shown as '?'. (top, left) is the corner of the first letter.
void draw_text(Image& canvas, int top, int left, std::string_view text, Rgb color, int factor = 1);
int text_width(std::string_view text, int factor = 1);
int text_height(int factor = 1);

/// One place of a sheet: an image, a frame when `frame` has a colour, a line of text below.
struct SheetCell {
  Image image;
  std::optional<Rgb> frame;
  std::string caption;
};

struct SheetStyle {
  int columns = 10;
  int enlarge = 2;           ///< each image pixel becomes this many, squared
  int frame = 3;             ///< thickness in pixels; the room is kept in cells without a frame as well
  int gap = 6;               ///< between cells
  int text = 1;              ///< size of the captions' pixels
  int first_column_gap = 0;  ///< extra room after the first column: for a query beside its neighbours
};

/// Lays cells out row by row on white, all places as large as the largest image; captions are cut to fit.
Image draw_sheet(const std::vector<SheetCell>& cells, const SheetStyle& style = {});

}  // namespace tsr
