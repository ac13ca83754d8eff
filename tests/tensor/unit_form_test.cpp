// Units formed of parts of a matrix, against what the kernels' own forms make of the same block set out.
#include "tensor/cpu/unit_form.h"

#include <array>
#include <bit>
#include <cstdint>
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

  /// The bits of 16 numbers.
  std::array<std::uint32_t, 16> line(int64_t begin) const {
    std::array<std::uint32_t, 16> bits{};
    for (std::size_t i = 0; i < 16; ++i)
      bits[i] = std::bit_cast<std::uint32_t>(numbers[static_cast<std::size_t>(begin) + i]);
    return bits;
  }
  bool has_row(const Unit& other, int64_t row) const {
    for (const int64_t plane : {0, 1, 2}) {
      const int64_t begin = plane * kPlane + row * 16;
      if (line(begin) != other.line(begin)) return false;
    }
    return true;
  }
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
  CHECK((got.line(kMarks) == want.line(kMarks)));  // magnitudes: zeros don't count
}

}  // namespace

TEST_CASE("a unit formed of a part of a matrix equals the kernels' form of it") {
  const std::vector<float> x = tsr::test::values<float>(kSide * kStride, 1);
  for (const auto& size :
       {std::array<int64_t, 2>{32, 32}, {5, 32}, {32, 8}, {16, 16}, {17, 31}, {1, 1}, {32, 17}, {29, 32}}) {
    const int64_t rows = size[0], cols = size[1];
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
