// The collapse meter on embeddings whose spread is known.
#include "ssl/collapse.h"

#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tensor/random.h"

namespace tsr::test {

TEST_CASE("one point for all samples is full collapse") {
  const CollapseMeter meter = measure_collapse(full({10, 4}, 3));
  CHECK(meter.std == doctest::Approx(0).epsilon(1e-9));
  CHECK(meter.uniform_std == doctest::Approx(0.5));
  CHECK(meter.effective_rank < 1 + 1e-9);
}

TEST_CASE("plus and minus each axis fill all dimensions evenly") {
  constexpr int kDims = 6;
  Tensor axes = zeros({2 * kDims, kDims});
  for (int i = 0; i < kDims; ++i) {
    axes.data<float>()[(2 * i) * kDims + i] = 5;
    axes.data<float>()[(2 * i + 1) * kDims + i] = -0.5;  // lengths don't matter
  }
  const CollapseMeter meter = measure_collapse(axes);
  CHECK(meter.effective_rank == doctest::Approx(kDims).epsilon(1e-6));
  // Each dimension holds two of twelve values at ±1: variance 2/11.
  CHECK(meter.std == doctest::Approx(std::sqrt(2.0 / (2 * kDims - 1))));
}

TEST_CASE("a line through the origin has rank 1") {
  Tensor line = zeros({8, 5}, float64);
  for (int i = 0; i < 8; ++i)
    for (int d = 0; d < 5; ++d) line.data<double>()[i * 5 + d] = (i % 2 == 0 ? 1 : -1) * (d + 1);
  CHECK(measure_collapse(line).effective_rank == doctest::Approx(1).epsilon(1e-6));
}

TEST_CASE("unequal singular values count by their entropy, also with fewer samples than dimensions") {
  // Rows ±a·e0 … normalised would lose the lengths, so directions carry them: three of axis 0, one of axis 1.
  Tensor rows = zeros({8, 20}, float64);
  for (int i = 0; i < 8; ++i) rows.data<double>()[i * 20 + (i < 6 ? 0 : 1)] = i % 2 == 0 ? 1 : -1;
  const double s0 = std::sqrt(6.0), s1 = std::sqrt(2.0), p = s0 / (s0 + s1);
  const double rank = std::exp(-p * std::log(p) - (1 - p) * std::log(1 - p));
  CHECK(measure_collapse(rows).effective_rank == doctest::Approx(rank).epsilon(1e-6));
}

TEST_CASE("directions spread evenly show a standard deviation near 1/sqrt(D)") {
  Generator random(5);
  const CollapseMeter meter = measure_collapse(normal({512, 32}, random));
  CHECK(meter.std == doctest::Approx(meter.uniform_std).epsilon(0.02));
  CHECK(meter.effective_rank > 31);
  CHECK_THROWS_WITH_AS(measure_collapse(zeros({1, 4})), doctest::Contains("N ≥ 2"), Error);
}

}  // namespace tsr::test
