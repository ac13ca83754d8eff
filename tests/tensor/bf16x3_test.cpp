// Products of float32 by three bfloat16 each, against float64 and against the kernels that multiply as they
// are.
#include "tensor/cpu/bf16x3.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tests/tensor/values.h"

namespace {

using std::int64_t;
using namespace tsr::cpu;
using Floats = std::vector<float>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// One tile's product. The first `lead` depths are zeros in A, whose data begins behind them.
struct TileProblem {
  int64_t rows, cols, depth, lead = 0;
  bool by_columns = false;  ///< how A lies
  bool accumulate = false;  ///< to C's ones
  bool scattered = false;   ///< C's rows
  Floats a, b;

  TileProblem(int64_t rows, int64_t cols, int64_t depth)
      : rows(rows),
        cols(cols),
        depth(depth),
        a(tsr::test::values<float>(rows * depth, 1)),
        b(tsr::test::values<float>(depth * cols, 2)) {}

  float left(int64_t i, int64_t k) const { return k < lead ? 0 : a[at(i, k)]; }
  float& left(int64_t i, int64_t k) { return a[at(i, k)]; }
  float& right(int64_t k, int64_t j) { return b[static_cast<std::size_t>(k * cols + j)]; }
  float right(int64_t k, int64_t j) const { return b[static_cast<std::size_t>(k * cols + j)]; }
  std::string name() const {
    return tsr::text(rows, " x ", cols, " x ", depth, by_columns ? ", by columns" : "",
                     accumulate ? ", added" : "", scattered ? ", scattered" : "",
                     lead > 0 ? ", led by zeros" : "");
  }
  int64_t row_of(int64_t i) const { return scattered ? (i * 7 % rows) * 40 : i * 40; }

 private:
  std::size_t at(int64_t i, int64_t k) const {
    return static_cast<std::size_t>(by_columns ? k * rows + i : i * depth + k);
  }
};

/// Memory that begins where vectors may be loaded.
struct Aligned {
  explicit Aligned(int64_t count) : memory(static_cast<std::size_t>(count + 16), 0) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
    data = memory.data() + (64 - address % 64) % 64 / sizeof(float);
  }
  Floats memory;
  float* data;
};

/// C [rows, cols]; what lies between its rows must stay as it is.
Floats product(const TileProblem& p, const TileKernels<float>& kernels) {
  const int vectors = p.cols > kernels.lanes ? 2 : 1;
  const int64_t width = static_cast<int64_t>(vectors) * kernels.lanes;
  Aligned panel(p.depth * width), a(kernels.form->room(p.depth)), b(kernels.form->room(p.depth));
  for (int64_t k = 0; k < p.depth; ++k)
    for (int64_t j = 0; j < width; ++j) panel.data[k * width + j] = j < p.cols ? p.right(k, j) : kInfinity;
  const int64_t row_step = p.by_columns ? 1 : p.depth, depth_step = p.by_columns ? p.rows : 1;
  kernels.form->rows(
      {p.a.data() + p.lead * depth_step, row_step, depth_step, p.rows, p.lead, p.depth - p.lead}, a.data);
  kernels.form->panel(panel.data, width, p.depth, p.cols, width, b.data);
  Floats c(static_cast<std::size_t>(p.rows * 40), 1);
  std::array<int64_t, kMaxTileRows> places{};
  for (int64_t i = 0; i < p.rows; ++i) places[static_cast<std::size_t>(i)] = p.row_of(i);
  kernels.at(vectors, p.rows)({.rows = p.rows,
                               .depth = kernels.form->units(p.depth) * kernels.form->depths,
                               .a = a.data,
                               .row_step = 0,
                               .depth_step = 0,
                               .b = b.data,
                               .c = c.data(),
                               .c_rows = places.data(),
                               .c_step = p.scattered ? 0 : 40,
                               .cols = p.cols,
                               .accumulate = p.accumulate});
  Floats result;
  for (int64_t i = 0; i < p.rows; ++i) {
    const auto row = c.begin() + p.row_of(i);
    result.insert(result.end(), row, row + p.cols);
    CHECK(std::all_of(row + p.cols, row + 40, [](float x) { return x == 1; }));
  }
  return result;
}

struct Exact {
  double sum, magnitude;  ///< Σ a·b and Σ |a·b|
};

Exact exact(const TileProblem& p, int64_t i, int64_t j) {
  Exact result{p.accumulate ? 1. : 0., p.accumulate ? 1. : 0.};
  for (int64_t k = 0; k < p.depth; ++k) {
    const double term = static_cast<double>(p.left(i, k)) * p.right(k, j);
    result.sum += term, result.magnitude += std::abs(term);
  }
  return result;
}

/// The largest error in units of 2⁻²⁴·Σ |a·b|.
double worst(const TileProblem& p, const Floats& c) {
  double result = 0;
  for (int64_t i = 0; i < p.rows; ++i) {
    for (int64_t j = 0; j < p.cols; ++j) {
      const Exact want = exact(p, i, j);
      const double error = std::abs(c[static_cast<std::size_t>(i * p.cols + j)] - want.sum);
      result = std::max(result, want.magnitude == 0 ? error : error / want.magnitude * 0x1p24);
    }
  }
  return result;
}

std::vector<TileProblem> problems() {
  std::vector<TileProblem> result;
  for (const auto& [rows, cols, depth] : {std::array<int64_t, 3>{32, 32, 128},
                                          {32, 32, 1},
                                          {1, 1, 37},
                                          {16, 16, 64},
                                          {17, 17, 65},
                                          {5, 32, 33},
                                          {32, 3, 100},
                                          {31, 16, 31},
                                          {16, 31, 96}}) {
    for (const int variant : {0, 1, 2, 3}) {
      TileProblem p(rows, cols, depth);
      p.by_columns = variant % 2 == 1, p.accumulate = variant >= 2;
      p.scattered = variant == 3 && rows > 7;
      p.lead = variant == 1 ? std::min<int64_t>(depth - 1, 29) : 0;
      result.push_back(p);
    }
  }
  return result;
}

bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("products by three bfloat16 are as exact as float32's own") {
  for (const TileProblem& p : problems()) {
    INFO(p.name());
    CHECK(worst(p, product(p, emulated_bf16x3_kernels())) < 4);
  }
}

TEST_CASE("one product is off by less than two units in the last place, and seldom by one") {
  TileProblem p(32, 32, 1);
  double sum = 0;
  for (int64_t i = 0; i < 32; ++i) p.left(i, 0) = 1 + static_cast<float>(i * 0x3A5F17 % 0x800000) * 0x1p-23F;
  for (int64_t j = 0; j < 32; ++j)
    p.right(0, j) = -1 - static_cast<float>(j * 0x2F1B35 % 0x800000) * 0x1p-23F;
  const Floats c = product(p, emulated_bf16x3_kernels());
  for (int64_t i = 0; i < 32; ++i) {
    for (int64_t j = 0; j < 32; ++j) {
      const double want = exact(p, i, j).sum,
                   error = (c[static_cast<std::size_t>(i * 32 + j)] - want) / want * 0x1p24;
      CHECK(std::abs(error) < 4);
      sum += error;
    }
  }
  CHECK(std::abs(sum / 1024) < 0.1);  // what is left out has no preferred sign
}

TEST_CASE("numbers that are infinite, huge or none give what float32's own products give") {
  for (const float wild :
       {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN(), 3.4e38F, -0x1p127F, 0x1p70F}) {
    CAPTURE(wild);
    TileProblem p(32, 20, 40);
    p.left(3, 7) = wild;
    p.left(3, 8) = p.right(7, 5) = 0x1.8p65F;
    p.right(9, 2) = wild;
    const Floats c = product(p, emulated_bf16x3_kernels());
    for (int64_t i = 0; i < p.rows; ++i) {
      for (int64_t j = 0; j < p.cols; ++j) {
        const auto want = static_cast<float>(exact(p, i, j).sum);
        const float got = c[static_cast<std::size_t>(i * p.cols + j)];
        CAPTURE(i);
        CAPTURE(j);
        CHECK(std::isnan(got) == std::isnan(want));
        if (!std::isfinite(want) && !std::isnan(want)) CHECK(got == want);
      }
    }
    for (int64_t j = 0; j < p.cols; ++j)  // rows without wild numbers keep their digits, but for column 2
      if (j != 2 && j != 5) CHECK(std::abs(c[static_cast<std::size_t>(j)] - exact(p, 0, j).sum) < 1e-4);
  }
}

TEST_CASE("numbers whose least parts are subnormal leave their neighbours alone") {
  TileProblem p(32, 32, 64);
  std::uint32_t bits = 0x00800001;  // from the smallest normal number on
  for (int64_t k = 0; k < p.depth; ++k) {
    for (int64_t i = 0; i < 32; ++i) {
      if ((k + i) % 3 == 0) p.left(i, k) = std::bit_cast<float>(bits += 0x1234B);
      if ((k + i) % 5 == 0) p.right(k, i) = -std::bit_cast<float>(bits += 0x4321D);
    }
  }
  CHECK(worst(p, product(p, emulated_bf16x3_kernels())) < 4);
}

TEST_CASE("AMX's tiles give the emulated ones' bits") {
  const TileKernels<float>* amx = bf16x3_kernels();
  if (amx == nullptr) {
    MESSAGE("this machine has no AMX");
    return;
  }
  for (const TileProblem& p : problems()) {
    INFO(p.name());
    CHECK(same_bits(product(p, *amx), product(p, emulated_bf16x3_kernels())));
  }
}
