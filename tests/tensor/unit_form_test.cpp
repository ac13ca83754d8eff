// Units formed of parts of a matrix, against what the kernels' own forms make of the same block set out.
#include "tensor/cpu/unit_form.h"

#include <array>
#include <cstring>
#include <doctest/doctest.h>
#include <vector>

#include "tensor/cpu/bf16x3.h"
#include "tests/tensor/values.h"

namespace {

using std::int64_t;
using namespace tsr::cpu;

constexpr int64_t kSide = 32, kStride = 40, kPlane = 512, kTile = 256, kMarks = 3 * kPlane;

struct Unit {
  alignas(64) std::array<float, kMarks + 16> numbers{};

  bool has_row(const Unit& other, int64_t row) const {  // 16 numbers of each plane
    for (int64_t plane = 0; plane < 3; ++plane)
      if (std::memcmp(at(plane * kPlane + row * 16), other.at(plane * kPlane + row * 16), 64) != 0)
        return false;
    return true;
  }
  const float* at(int64_t i) const { return numbers.data() + i; }
};

/// The operand's block, [32, 32] with zeros at its ends.
std::vector<float> set_out(const UnitSource& s) {
  std::vector<float> square(kSide * kSide, 0);
  for (int64_t i = 0; i < s.height(); ++i)
    for (int64_t j = 0; j < s.width(); ++j)
      square[static_cast<std::size_t>(i * kSide + j)] =
          s.factor * (s.turned ? s.x[j * s.stride + i] : s.x[i * s.stride + j]);
  return square;
}

void check(UnitSource source) {
  const TileForm<float>& form = *emulated_bf16x3_kernels().form;
  const std::vector<float> square = set_out(source);
  Unit got, want;
  source.to = got.numbers.data();
  form_unit(source);
  if (source.side == Side::left) {
    form.rows({square.data(), kSide, 1, kSide, 0, kSide}, want.numbers.data());
    for (int64_t i = 0; i < source.height(); ++i) CHECK(got.has_row(want, i));
  } else {
    const int64_t width = source.width() > 16 ? 32 : 16;
    form.panel(square.data(), kSide, kSide, width, width, want.numbers.data());
    for (int64_t row = 0; row < kTile / 16 * (width / 16); ++row) CHECK(got.has_row(want, row));
  }
  CHECK(std::memcmp(got.at(kMarks), want.at(kMarks), 64) == 0);  // magnitudes: zeros don't count
}

}  // namespace

TEST_CASE("a unit formed of a part of a matrix equals the kernels' form of it") {
  const std::vector<float> x = tsr::test::values<float>(kSide * kStride, 1);
  for (const auto& [rows, cols] :
       {std::array<int64_t, 2>{32, 32}, {5, 32}, {32, 8}, {16, 16}, {17, 31}, {1, 1}, {32, 17}, {29, 32}}) {
    for (const Side side : {Side::left, Side::right}) {
      for (const bool turned : {false, true}) {
        for (const float factor : {1.F, 0.3F}) {
          CAPTURE(rows);
          CAPTURE(cols);
          CAPTURE(turned);
          CAPTURE(factor);
          CAPTURE((side == Side::left));
          check({side, turned, x.data(), kStride, rows, cols, factor, nullptr});
        }
      }
    }
  }
}

TEST_CASE("a matrix turned over has its rows for columns") {
  const std::vector<float> x = tsr::test::values<float>(37 * kStride, 1);
  std::vector<float> to(33 * 50, 7);
  turn_matrix(x.data(), kStride, 37, 33, to.data(), 50);
  for (int64_t i = 0; i < 33; ++i)
    for (int64_t j = 0; j < 50; ++j)
      CHECK(to[static_cast<std::size_t>(i * 50 + j)] ==
            (j < 37 ? x[static_cast<std::size_t>(j * kStride + i)] : 7));
}
