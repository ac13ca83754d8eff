// NT-Xent against a plain loop, in one process and over two.
#include <cmath>
#include <doctest/doctest.h>

#include "ssl/info_nce.h"
#include "tensor/random.h"
#include "tests/ops/thread_group.h"

namespace tsr::test {
namespace {

double dot(const double* a, const double* b, std::int64_t dims) {
  double total = 0;
  for (std::int64_t d = 0; d < dims; ++d) total += a[d] * b[d];
  return total;
}

/// The loss of rows first … first+rows-1 among all candidates: a row's positive is half of `rows` away.
double plain_nt_xent(const Tensor& candidates, std::int64_t first, std::int64_t rows, double temperature,
                     bool self_mask) {
  const std::int64_t dims = candidates.size(1);
  const double* z = candidates.data<double>();
  double total = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const double* row = z + (first + i) * dims;
    double denominator = 0;
    for (std::int64_t k = 0; k < candidates.size(0); ++k)
      if (!self_mask || k != first + i) denominator += std::exp(dot(row, z + k * dims, dims) / temperature);
    const std::int64_t positive = first + (i < rows / 2 ? i + rows / 2 : i - rows / 2);
    total -= dot(row, z + positive * dims, dims) / temperature - std::log(denominator);
  }
  return total / static_cast<double>(rows);
}

Tensor embeddings(std::int64_t rows, std::uint64_t seed) {
  Generator random(seed);
  return l2_normalize(normal({rows, 5}, random, 0, 1, float64));
}

}  // namespace

TEST_CASE("nt_xent is the mean cross-entropy of each view's partner") {
  for (const std::int64_t rows : {4, 6, 14})
    for (const double temperature : {0.07, 0.5, 1.0})
      for (const bool mask : {true, false}) {
        const Tensor z = embeddings(rows, 1);
        const double ours = nt_xent(z, {.temperature = temperature, .self_mask = mask}).item();
        CHECK(ours == doctest::Approx(plain_nt_xent(z, 0, rows, temperature, mask)).epsilon(1e-12));
      }
}

TEST_CASE("collapsed embeddings give ln(2N - 1)") {
  CHECK(nt_xent(full({12, 3}, std::sqrt(1.0 / 3), float64), {}).item() == doctest::Approx(std::log(11.0)));
}

TEST_CASE("nt_xent's gradient agrees with finite differences") {
  Generator random(2);
  Tensor z = normal({6, 3}, random, 0, 1, float64);
  z.requires_grad_();
  nt_xent(l2_normalize(z), {}).backward();
  const double* gradient = z.grad().data<double>();
  const NoGrad guard;
  for (std::int64_t i = 0; i < z.numel(); ++i) {
    const auto loss_at = [&](double step) {
      Tensor moved = z.clone();
      moved.data<double>()[i] += step;
      return nt_xent(l2_normalize(moved), {}).item();
    };
    CHECK(gradient[i] == doctest::Approx((loss_at(1e-5) - loss_at(-1e-5)) / 2e-5).epsilon(1e-6));
  }
}

TEST_CASE("over two processes every row sees the candidates of both") {
  const Tensor all = embeddings(12, 3);
  std::array<double, 2> losses{};
  ThreadGroup().run([&](int rank) {
    const Tensor mine = contiguous(slice(all, 0, 6 * rank, 6 * rank + 6));
    losses[static_cast<std::size_t>(rank)] = nt_xent(mine, {.temperature = 0.3}).item();
  });
  CHECK(losses[0] == doctest::Approx(plain_nt_xent(all, 0, 6, 0.3, true)).epsilon(1e-12));
  CHECK(losses[1] == doctest::Approx(plain_nt_xent(all, 6, 6, 0.3, true)).epsilon(1e-12));
}

TEST_CASE("nt_xent refuses what isn't two views of two samples") {
  CHECK_THROWS_WITH_AS(nt_xent(zeros({3, 2}), {}), doctest::Contains("two views of at least two samples"),
                       Error);
  CHECK_THROWS_WITH_AS(nt_xent(zeros({2, 2}), {}), doctest::Contains("two views of at least two samples"),
                       Error);
  CHECK_THROWS_WITH_AS(nt_xent(zeros({4, 2}), {.temperature = 0}), doctest::Contains("must be positive"),
                       Error);
}

}  // namespace tsr::test
