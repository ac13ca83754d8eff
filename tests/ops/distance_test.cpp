// Cases of cosine similarity and pairwise distances.
#include <cmath>
#include <doctest/doctest.h>
#include <limits>

#include "autograd/ops.h"
#include "tensor/random.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

/// a [A…, m, d] and b [B…, n, d], where one's leading axes are the other's or none.
Tensor distances(const Tensor& a, const Tensor& b, double p) {
  const std::int64_t m = a.size(-2), n = b.size(-2), d = a.size(-1);
  Shape shape = (a.rank() > b.rank() ? a : b).shape();
  shape[shape.rank() - 2] = m;
  shape[shape.rank() - 1] = n;
  Tensor y(shape, float64, Device::cpu);
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const std::int64_t batch = i / (m * n);
    const double* from = a.data<double>() + ((a.rank() > 2 ? batch * m : 0) + i / n % m) * d;
    const double* to = b.data<double>() + ((b.rank() > 2 ? batch * n : 0) + i % n) * d;
    double total = 0;
    for (std::int64_t k = 0; k < d; ++k) {
      const double apart = std::abs(from[k] - to[k]);
      total = std::isinf(p) ? std::max(total, apart) : total + std::pow(apart, p);
    }
    y.data<double>()[i] = std::isinf(p) ? total : std::pow(total, 1 / p);
  }
  return y;
}

bool cdist_case(double p) {
  const auto variant = [](const Shape& a, const Shape& b, bool gradients, Values values = Values::normal,
                          bool strided = false) {
    return Variant{{{a, values, 0, strided}, {b, values, 0, strided}}, gradients};
  };
  return add_case(
      {.name = "cdist",
       .kernels = {"cdist_fwd", "cdist_bwd"},
       .call = [p](const Tensors& x) { return cdist(x[0], x[1], p); },
       .reference = [p](const Tensors& x) { return distances(x[0], x[1], p); },
       .variants = {variant({3, 4}, {5, 4}, true), variant({1, 1}, {1, 1}, true),
                    variant({2, 3, 2}, {2, 6, 2}, true, Values::normal, true),
                    variant({2, 3, 5}, {4, 5}, true), variant({3, 5}, {2, 2, 5}, true),
                    variant({0, 4}, {5, 4}, true), variant({21, 3}, {10, 3}, true),
                    variant({3, 19}, {9, 19}, true), variant({2, 3}, {70, 3}, true),
                    variant({5, 8}, {7, 8}, false, Values::huge), variant({70, 33}, {300, 33}, false)},
       .differentiable = Differentiable::once,
       .benchmark = p == 2 ? std::vector<Input>{{{1024, 128}}, {{1024, 128}}} : std::vector<Input>{}});
}

/// Along the last axis of operands of one shape.
Tensor cosines(const Tensor& a, const Tensor& b) {
  Shape shape = a.shape();
  const std::int64_t n = shape.back();
  shape.erase(shape.rank() - 1);
  Tensor y(shape, float64, Device::cpu);
  for (std::int64_t row = 0; row < y.numel(); ++row) {
    double product = 0, left = 0, right = 0;
    for (std::int64_t i = row * n; i < (row + 1) * n; ++i) {
      const double u = a.data<double>()[i], v = b.data<double>()[i];
      product += u * v;
      left += u * u;
      right += v * v;
    }
    y.data<double>()[row] = product / (std::max(std::sqrt(left), 1e-8) * std::max(std::sqrt(right), 1e-8));
  }
  return y;
}

const bool distance_cases[] = {
    cdist_case(2), cdist_case(1), cdist_case(3.5), cdist_case(std::numeric_limits<double>::infinity()),
    add_case({.name = "cosine_similarity",
              .kernels = {"norm_fwd", "sum_fwd"},
              .call = [](const Tensors& x) { return cosine_similarity(x[0], x[1]); },
              .reference = [](const Tensors& x) { return cosines(x[0], x[1]); },
              .variants = {{{{{3, 4}}, {{3, 4}}}},
                           {{{{1}}, {{1}}}},
                           {{{{2, 3, 5}, Values::normal, 0, true}, {{2, 3, 5}}}},
                           {{{{0, 3}}, {{0, 3}}}},
                           {{{{7, 33}, Values::huge}, {{7, 33}, Values::huge}}, false},
                           {{{{70, 500}}, {{70, 500}}}, false}}})};

TEST_CASE("cosine similarity along other axes, of broadcast and of zero vectors") {
  Generator generator(1);
  const Tensor a = normal({3, 4}, generator, 0, 1, float64), b = normal({1, 4}, generator, 0, 1, float64);
  const Tensor rows = cosine_similarity(a, b), columns = cosine_similarity(transpose(a), transpose(b), 0);
  CHECK(max(abs(rows - cosines(a, contiguous(broadcast_to(b, {3, 4}))))).item() < 1e-14);
  CHECK(max(abs(rows - columns)).item() < 1e-14);
  Tensor zero = zeros({2}, float64).requires_grad_();
  const Tensor y = cosine_similarity(zero, ones({2}, float64));
  CHECK(y.item() == 0);
  y.backward();
  CHECK(std::isfinite(zero.grad().data<double>()[0]));
}

TEST_CASE("small distances between large vectors keep their digits") {
  Generator generator(2);
  const Tensor a = (normal({40, 64}, generator) + 1e3).clone();
  const Tensor b = a + normal({40, 64}, generator, 0, 1e-2);
  const Tensor ours = cdist(a, b).to(float64), exact = distances(a.to(float64), b.to(float64), 2);
  CHECK(max(abs(ours - exact) / exact).item() < 1e-6);
}

TEST_CASE("the gradient at distance 0 is 0") {
  for (double p : {1.0, 2.0, 3.0, static_cast<double>(INFINITY)}) {
    Tensor x = from_values({1, 2, 4, 6}, {2, 2}).to(float64).requires_grad_();
    const Tensor y = cdist(x, x, p);
    CHECK(y.data<double>()[0] == 0);
    const Tensor first = grad(select(select(y, 0, 0), 0, 0), {x}, {}, {.retain_graph = true})[0];
    CHECK(max(abs(first)).item() == 0);
    const Tensor all = grad(sum(y), {x})[0];
    for (int i = 0; i < 4; ++i) CHECK(std::isfinite(all.data<double>()[i]));
    CHECK(all.data<double>()[3] > 0);
  }
}

TEST_CASE("distances say what doesn't fit") {
  CHECK_THROWS_WITH_AS(cdist(zeros({2, 3}), zeros({2, 4})),
                       "cdist: a float32[2, 3] and b float32[2, 4]; need [..., m, d] and [..., n, d]", Error);
  CHECK_THROWS_WITH_AS(cdist(zeros({2, 3}), zeros({2, 3}), 0.5),
                       "cdist: p = 0.5 gives no distance; choose at least 1", Error);
  CHECK_THROWS_WITH_AS(cosine_similarity(zeros({2, 3}), zeros({3})),
                       "cosine_similarity: float32[2, 3] and float32[3] differ in rank; unsqueeze() one",
                       Error);
}

}  // namespace
}  // namespace tsr::test
