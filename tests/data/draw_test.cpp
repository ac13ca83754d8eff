#include "data/draw.h"

#include <algorithm>
#include <doctest/doctest.h>

#include "data/font.h"
#include "tensor/error.h"

namespace {

const tsr::Rgb kRed{200, 10, 20};

bool has_color(const tsr::Image& image, int y, int x, tsr::Rgb color) {
  return std::equal(color.begin(), color.end(), image.at(y, x));
}

}  // namespace

TEST_CASE("grey becomes three equal channels, and pixels become squares") {
  tsr::Image grey(1, 2, 1);
  grey.pixels = {5, 9};
  const tsr::Image large = tsr::enlarge(tsr::to_rgb(grey), 3);
  CHECK(large.height == 3);
  CHECK(large.width == 6);
  CHECK(has_color(large, 2, 2, {5, 5, 5}));
  CHECK(has_color(large, 0, 3, {9, 9, 9}));
  CHECK_THROWS_AS(tsr::enlarge(grey, 0), tsr::Error);
}

TEST_CASE("what is drawn beyond the edges is cut off") {
  tsr::Image canvas(4, 4, 3, 255);
  tsr::paste(canvas, tsr::Image(3, 3, 3, 7), -2, 2);
  CHECK(has_color(canvas, 0, 2, {7, 7, 7}));
  CHECK(has_color(canvas, 1, 2, {255, 255, 255}));
  tsr::fill_rectangle(canvas, 3, -5, 9, 6, kRed);
  CHECK(has_color(canvas, 3, 0, kRed));
  CHECK(has_color(canvas, 3, 1, {255, 255, 255}));
  tsr::draw_text(canvas, -3, -3, "WWW", kRed);
  CHECK_THROWS_AS(tsr::paste(canvas, tsr::Image(1, 1, 1), 0, 0), tsr::Error);
}

TEST_CASE("letters are drawn in their places; all printable ones look different") {
  tsr::Image canvas(20, 40, 3, 255);
  tsr::draw_text(canvas, 2, 3, "lI", kRed, 2);
  CHECK(has_color(canvas, 2, 7, kRed));           // the stem of l: third column
  CHECK(has_color(canvas, 2, 3 + 12 + 4, kRed));  // that of I, twelve pixels further on
  CHECK(has_color(canvas, 2, 3, {255, 255, 255}));
  CHECK(tsr::text_width("lI", 2) == 22);
  CHECK(tsr::text_width("") == 0);
  for (char a = ' '; a <= '~'; ++a)
    for (char b = ' '; b < a; ++b) CHECK(tsr::glyph(a) != tsr::glyph(b));
  CHECK(tsr::glyph('\xC3') == tsr::glyph('?'));
}

TEST_CASE("a sheet lays images out in rows, with frames and captions") {
  std::vector<tsr::SheetCell> cells(5, {tsr::Image(4, 4, 1, 50), {}, ""});
  cells[4].frame = kRed;
  cells[4].caption = "a caption that is far too long";
  const tsr::SheetStyle style{
      .columns = 3, .enlarge = 2, .frame = 1, .gap = 2, .text = 1, .first_column_gap = 5};
  const tsr::Image sheet = tsr::draw_sheet(cells, style);
  CHECK(sheet.width == 3 * (10 + 2) + 2 + 5);
  CHECK(sheet.height == 2 * (10 + 7 + 1 + 2) + 2);
  CHECK(has_color(sheet, 2, 2, {255, 255, 255}));  // room for a frame, without one
  CHECK(has_color(sheet, 3, 3, {50, 50, 50}));
  const int top = 2 + 20, left = 2 + 12 + 5;  // of the fifth cell
  CHECK(has_color(sheet, top, left, kRed));
  CHECK(has_color(sheet, top + 9, left + 9, kRed));
  CHECK(has_color(sheet, top + 1, left + 1, {50, 50, 50}));
  CHECK(has_color(sheet, top + 10, left + 10, {255, 255, 255}));
  bool ink = false;  // a letter fits below, and nothing runs into the next column
  for (int y = top + 11; y < top + 18; ++y) {
    for (int x = left; x < left + 10; ++x) ink = ink || has_color(sheet, y, x, {0, 0, 0});
    CHECK(has_color(sheet, y, left + 10, {255, 255, 255}));
  }
  CHECK(ink);
  CHECK_THROWS_AS(tsr::draw_sheet({}, style), tsr::Error);
}
