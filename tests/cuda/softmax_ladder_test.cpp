// The kernels of docs/first-kernel.md: how wrong each may be, and what the first of them gets wrong.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <string_view>

#define TSR_BACKEND emu
#include "cuda/emulator/grid.h"
#include "examples/kernel/softmax_ladder.h"
#include "tests/cuda/raises.h"

namespace tsr::emu {
namespace {

bool is_naive(const Rung& rung) { return std::string_view(rung.name) == "naive"; }
bool takes_quads(const Rung& rung) {
  return std::string_view(rung.name) == "vectorised" || std::string_view(rung.name) == "online";
}

/// Roundings of the sum, one for each addition in the longest chain of them, and some for exp and the
/// quotient.
double allowed_error(const Rung& rung, std::int64_t n) {
  const auto numbers = static_cast<double>(n), chain = is_naive(rung) ? numbers : numbers / 32 + 10;
  return (chain + 6) * 0x1p-24;
}

TEST_CASE("every rung of the ladder computes the softmax of each row") {
  REQUIRE(softmax_ladder().size() == 6);
  for (const Rung& rung : softmax_ladder()) {
    CAPTURE(rung.name);
    for (const std::int64_t n : {1, 4, 5, 32, 33, 100, 256, 257, 1024, 4100}) {
      if (takes_quads(rung) && n % 4 != 0) continue;
      CAPTURE(n);
      CHECK(largest_error(rung, draw_logits(3, n, 0)) <= allowed_error(rung, n));
    }
    CHECK(largest_error(rung, draw_logits(300, 8, 0)) <= allowed_error(rung, 8));
  }
}

TEST_CASE("logits of ten thousand are safe from the second rung on, and naively NaN") {
  for (const Rung& rung : softmax_ladder()) {
    CAPTURE(rung.name);
    for (const double center : {1e4, -1e4}) {
      const Tensor logits = draw_logits(3, 1024, center);
      if (!is_naive(rung)) {
        CHECK(largest_error(rung, logits) <= allowed_error(rung, 1024));
        continue;
      }
      const Tensor y = weights(rung, logits);
      int nan = 0;
      for (std::int64_t i = 0; i < y.numel(); ++i) nan += std::isnan(y.data<float>()[i]) ? 1 : 0;
      CHECK(nan == y.numel());
    }
  }
  const Rung& naive = softmax_ladder().front();
  CHECK(largest_error(naive, from_values({88, 80, 0, -88}, {1, 4})) <= allowed_error(naive, 4));
  CHECK(std::isnan(largest_error(naive, from_values({89, 80, 0, -88}, {1, 4}))));
}

TEST_CASE("masked logits get no weight, even where a thread sees no others") {
  const Tensor logits = draw_logits(2, 1024, 0);
  for (std::int64_t i = 0; i < 1000; ++i) logits.data<float>()[i] = -INFINITY;
  for (const Rung& rung : softmax_ladder()) {
    CAPTURE(rung.name);
    CHECK(largest_error(rung, logits) <= allowed_error(rung, 1024));
    CHECK(weights(rung, logits).data<float>()[999] == 0);
  }
}

TEST_CASE("the order in which threads run changes no bit") {
  const Tensor logits = draw_logits(2, 1024, 0);
  for (const Rung& rung : softmax_ladder()) {
    CAPTURE(rung.name);
    const Tensor first = weights(rung, logits);
    for (const std::uint64_t seed : {1, 2, 3}) {
      set_schedule_seed(seed);
      const Tensor again = weights(rung, logits);
      set_schedule_seed(0);
      CHECK(std::equal(first.data<float>(), first.data<float>() + first.numel(), again.data<float>()));
    }
  }
}

TEST_CASE("16-byte loads need rows of whole quads") {
  for (const Rung& rung : softmax_ladder())
    if (takes_quads(rung))
      CHECK_RAISES(weights(rung, draw_logits(2, 6, 0)), "rows of 6 numbers", "a multiple of 4");
}

}  // namespace
}  // namespace tsr::emu
