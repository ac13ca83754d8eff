// Cases of the softmax family, and its behaviour at masked and infinite entries.
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"
#include "tests/ops/reduce_cases.h"

namespace tsr::test {
namespace {

using Row = std::vector<double>;

/// f over every line of x along an axis, in place of which its results stand.
Tensor along(const Tensor& x, int axis, const std::function<Row(const Row&)>& f) {
  std::int64_t inner = 1;
  for (int i = axis + 1; i < x.rank(); ++i) inner *= x.shape()[i];
  const std::int64_t n = x.shape()[axis], lines = n > 0 ? x.numel() / n : 0;
  Tensor y(x.shape(), float64, Device::cpu);
  for (std::int64_t line = 0; line < lines; ++line) {
    const std::int64_t first = line / inner * n * inner + line % inner;
    Row row(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i)
      row[static_cast<std::size_t>(i)] = x.data<double>()[first + i * inner];
    const Row result = f(row);
    for (std::int64_t i = 0; i < n; ++i)
      y.data<double>()[first + i * inner] = result[static_cast<std::size_t>(i)];
  }
  return y;
}

Row softmax_of(const Row& x) {
  Row y;
  const double total = log_sum_exp(x);
  for (double value : x) y.push_back(std::exp(value - total));
  return y;
}
Row log_softmax_of(const Row& x) {
  Row y;
  const double total = log_sum_exp(x);
  for (double value : x) y.push_back(value - total);
  return y;
}
Row unit_of(const Row& x) {
  double square = 0;
  for (double value : x) square += value * value;
  Row y;
  for (double value : x) y.push_back(value / std::max(std::sqrt(square), 1e-12));
  return y;
}

/// One value for each row of x.
Tensor per_row(const Tensor& x, const std::function<double(const Row&)>& f) {
  Shape shape = x.shape();
  const std::int64_t n = shape.back();
  shape.erase(shape.rank() - 1);
  Tensor y(shape, float64, Device::cpu);
  for (std::int64_t row = 0; row < y.numel(); ++row) {
    const double* from = x.data<double>() + row * n;
    y.data<double>()[row] = f(Row(from, from + n));
  }
  return y;
}

const std::vector<Variant> kRows{{{{{0, 3}}}},
                                 {{{{1}}}},
                                 {{{{3, 5}}}},
                                 {{{{2, 3, 17}}}},
                                 {{{{3, 4, 5}, Values::normal, 0, true}}},
                                 {{{{3, 9}, Values::equal}}},
                                 {{{{3, 41}, Values::rising}}},
                                 {{{{5, 33}, Values::huge}}, false},
                                 {{{{7, 1025}, Values::rising}}, false},
                                 {{{{3, 70001}}}, false},
                                 {{{{40, 30, 257}, Values::normal, 0, true}}, false}};

bool line_op(const char* name, Tensor (*op)(const Tensor&, std::int64_t), Row (*f)(const Row&)) {
  const std::string kernel = std::string(name) + "_fwd";
  for (int axis : {0, 1, -2})
    add_case(
        {.name = name,
         .kernels = {kernel},
         .call = [op, axis](const Tensors& x) { return op(x[0], axis); },
         .reference =
             [f, axis](const Tensors& x) { return along(x[0], axis < 0 ? axis + x[0].rank() : axis, f); },
         .variants = {{{{{5, 3}}}},
                      {{{{4, 3, 5}, Values::huge}}, false},
                      {{{{2, 9, 4}, Values::normal, 0, true}}}}});
  return add_case({.name = name,
                   .kernels = {kernel},
                   .call = [op](const Tensors& x) { return op(x[0], -1); },
                   .reference = [f](const Tensors& x) { return along(x[0], x[0].rank() - 1, f); },
                   .variants = kRows,
                   .benchmark = {{{256 * 12 * 64, 64}}}});
}

const bool softmax_cases[] = {
    line_op("softmax", softmax, softmax_of),
    line_op("log_softmax", log_softmax, log_softmax_of),
    add_case({.name = "logsumexp",
              .kernels = {"logsumexp_fwd"},
              .call = [](const Tensors& x) { return logsumexp(x[0]); },
              .reference = [](const Tensors& x) { return per_row(x[0], log_sum_exp); },
              .variants = kRows,
              .benchmark = {{{4096, 4096}}}}),
    add_case({.name = "l2_normalize",
              .kernels = {"l2_normalize_fwd"},
              .call = [](const Tensors& x) { return l2_normalize(x[0]); },
              .reference = [](const Tensors& x) { return along(x[0], x[0].rank() - 1, unit_of); },
              .variants = kRows,
              .benchmark = {{{4096, 128}}}}),
};

TEST_CASE("a masked entry gets no weight and passes no gradient") {
  for (DType dtype : {float32, float64}) {
    Tensor x = from_values({1, -INFINITY, 3, -INFINITY, -INFINITY, 2}, {2, 3}).to(dtype);
    x.requires_grad_();
    const Tensor y = softmax(x);
    const Tensor host = y.detach().to(float64);
    CHECK(host.data<double>()[0] == doctest::Approx(1 / (1 + std::exp(2.0))));
    CHECK(host.data<double>()[1] == 0);
    CHECK(host.data<double>()[5] == 1);
    sum(y * y).backward();
    const Tensor slope = x.grad().to(float64);
    for (std::int64_t i = 0; i < 6; ++i) CHECK(std::isfinite(slope.data<double>()[i]));
    CHECK(slope.data<double>()[1] == 0);
    CHECK(logsumexp(select(x, 0, 1)).item() == 2);
    CHECK(log_softmax(select(x, 0, 1)).to(float64).data<double>()[0] == -INFINITY);
  }
}

TEST_CASE("rows without a finite entry: NaN from softmax, the limit from logsumexp") {
  const Tensor masked = full({2, 37}, -INFINITY);
  CHECK(std::isnan(select(reshape(softmax(masked), {-1}), 0, 40).item()));
  CHECK(std::isnan(select(reshape(log_softmax(masked), {-1}), 0, 40).item()));
  CHECK(select(logsumexp(masked), 0, 1).item() == -INFINITY);
  CHECK(logsumexp(from_values({1, INFINITY}, {2})).item() == INFINITY);
  CHECK(std::isnan(logsumexp(from_values({1, NAN}, {2})).item()));
  CHECK(std::isnan(sum(softmax(from_values({1, NAN, 3}, {3}))).item()));
}

TEST_CASE("l2_normalize: zero rows, and lengths whose squares leave float32") {
  Tensor x = from_values({0, 0, 3e30f, 4e30f, 3e-30f, 4e-30f}, {3, 2});
  const Tensor y = l2_normalize(x, 1e-36);
  const float expected[] = {0, 0, 0.6f, 0.8f, 0.6f, 0.8f};
  for (int i = 0; i < 6; ++i) CHECK(y.data<float>()[i] == doctest::Approx(expected[i]).epsilon(1e-6));
  Tensor zero = zeros({1, 3}, float64);
  zero.requires_grad_();
  sum(l2_normalize(zero, 0.5)).backward();
  CHECK(zero.grad().data<double>()[0] == 2);  // below epsilon the length is constant: 1 / 0.5
}

}  // namespace
}  // namespace tsr::test
