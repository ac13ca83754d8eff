// Cases of comparisons, logic and where.
#include <cmath>
#include <doctest/doctest.h>

#include "tests/ops/pointwise_cases.h"

namespace tsr::test {
namespace {

bool comparison(const char* name, BinaryOp op, double (*f)(double, double), const char* kernel) {
  binary_case(name, op, f, Values::rising, Differentiable::no, kernel);
  return binary_case(name, op, f, Values::equal, Differentiable::no, kernel);
}

/// f of two masks, dense.
bool logic(const char* name, BinaryOp op, bool (*f)(bool, bool)) {
  return add_case({.name = name,
                   .kernels = {std::string(name) + "_fwd"},
                   .call = [op](const Tensors& x) { return op(x[0], x[1]); },
                   .reference =
                       [f](const Tensors& x) {
                         Tensor y(x[0].shape(), float64, Device::cpu);
                         for (std::int64_t i = 0; i < y.numel(); ++i)
                           y.data<double>()[i] = f(x[0].data<bool>()[i], x[1].data<bool>()[i % x[1].numel()]);
                         return y;
                       },
                   .variants = {{{{{0, 3}, Values::mask}, {{1, 3}, Values::mask}}},
                                {{{{}, Values::mask}, {{}, Values::mask}}},
                                {{{{5, 7}, Values::mask}, {{7}, Values::mask}}},
                                {{{{4, 3, 6}, Values::mask, 0, true}, {{4, 3, 6}, Values::mask}}},
                                {{{{50, 900}, Values::mask}, {{50, 900}, Values::mask}}}},
                   .differentiable = Differentiable::no,
                   .benchmark = {{{256, 32, 32, 64}, Values::mask}, {{256, 32, 32, 64}, Values::mask}}});
}

const bool compare_cases[] = {
    comparison(
        "eq", eq, [](double a, double b) { return double(a == b); }, "eq_fwd"),
    comparison(
        "ne", ne, [](double a, double b) { return double(a != b); }, "eq_fwd"),
    comparison(
        "lt", lt, [](double a, double b) { return double(a < b); }, "lt_fwd"),
    comparison(
        "le", le, [](double a, double b) { return double(a <= b); }, "le_fwd"),
    comparison(
        "gt", gt, [](double a, double b) { return double(a > b); }, "lt_fwd"),
    comparison(
        "ge", ge, [](double a, double b) { return double(a >= b); }, "le_fwd"),
    logic("logical_and", logical_and, [](bool a, bool b) { return a && b; }),
    logic("logical_or", logical_or, [](bool a, bool b) { return a || b; }),
    logic("logical_xor", logical_xor, [](bool a, bool b) { return a != b; }),
    add_case({.name = "logical_not",
              .kernels = {"logical_not_fwd"},
              .call = [](const Tensors& x) { return logical_not(x[0]); },
              .reference =
                  [](const Tensors& x) {
                    Tensor y(x[0].shape(), float64, Device::cpu);
                    for (std::int64_t i = 0; i < y.numel(); ++i) y.data<double>()[i] = !x[0].data<bool>()[i];
                    return y;
                  },
              .variants = {{{{{0, 3}, Values::mask}}},
                           {{{{}, Values::mask}}},
                           {{{{3, 5, 2}, Values::mask, 0, true}}},
                           {{{{101, 700}, Values::mask}}}},
              .differentiable = Differentiable::no}),
    add_case({.name = "where",
              .kernels = {"where_fwd"},
              .call = [](const Tensors& x) { return where(x[2], x[0], x[1]); },
              .reference =
                  [](const Tensors& x) {
                    Tensor y = zip(x[0], x[1], [](double a, double) { return a; });
                    const Tensor other = zip(x[0], x[1], [](double, double b) { return b; });
                    for (std::int64_t i = 0; i < y.numel(); ++i)
                      if (!x[2].data<bool>()[i % x[2].numel()]) y.data<double>()[i] = other.data<double>()[i];
                    return y;
                  },
              .variants = {{{{{3, 4}}, {{3, 4}}, {{4}, Values::mask}}},
                           {{{{3, 1}}, {{4}}, {{3, 4}, Values::mask}}},
                           {{{{2, 5}, Values::normal, 0, true}, {{2, 5}}, {{2, 5}, Values::mask}}},
                           {{{{50, 900}}, {{50, 900}}, {{50, 900}, Values::mask}}, false}},
              .benchmark = {{{256, 32, 32, 64}}, {{256, 32, 32, 64}}, {{256, 32, 32, 64}, Values::mask}}}),
};

TEST_CASE("NaN is unequal to everything, and the kinds of numbers are told apart") {
  for (DType dtype : {float32, float64}) {
    const double values[] = {NAN, INFINITY, -INFINITY, 0, -0.0, 1e-40, 3};
    for (double a : values)
      for (double b : values) {
        const Tensor x = scalar(a, dtype), y = scalar(b, dtype);
        const double p = x.item(), q = y.item();
        CHECK(eq(x, y).item() == (p == q));
        CHECK(ne(x, y).item() == (p != q));
        CHECK(lt(x, b).item() == (p < q));
        CHECK(le(x, b).item() == (p <= q));
        CHECK(gt(x, b).item() == (p > q));
        CHECK(ge(x, b).item() == (p >= q));
      }
    for (double a : values) {
      CHECK(isnan(scalar(a, dtype)).item() == std::isnan(a));
      CHECK(isinf(scalar(a, dtype)).item() == std::isinf(a));
      CHECK(isfinite(scalar(a, dtype)).item() == std::isfinite(a));
    }
  }
  CHECK(isfinite(scalar(3, int64)).item() == 1);
  CHECK(isinf(scalar(3, int64)).item() == 0);
  CHECK(isnan(scalar(3, int32)).item() == 0);
}

TEST_CASE("where and comparisons take every dtype that has an order") {
  for (DType dtype : {int64, int32, uint8}) {
    const Tensor a = arange(6).to(dtype), b = full({6}, 3, dtype);
    CHECK(sum(lt(a, b)).item() == 3);
    CHECK(sum(ge(a, 3)).item() == 3);
    const Tensor chosen = where(lt(a, b), a, b);
    CHECK(chosen.dtype() == dtype);
    CHECK(sum(chosen).item() == 0 + 1 + 2 + 3 * 3);
  }
  const Tensor mask = lt(arange(4), 2);
  CHECK(sum(where(mask, mask, logical_not(mask))).item() == 4);
}

TEST_CASE("masked_fill writes the value, and its gradient skips what was filled") {
  Tensor x = from_values({1, 2, 3}, {3});
  x.requires_grad_();
  const Tensor y = masked_fill(x, gt(x, 2), -INFINITY);
  CHECK(y.data<float>()[1] == 2);
  CHECK(y.data<float>()[2] == -INFINITY);
  sum(where(isfinite(y), y, zeros({3}))).backward();
  const float expected[] = {1, 1, 0};
  for (int i = 0; i < 3; ++i) CHECK(x.grad().data<float>()[i] == expected[i]);
}

TEST_CASE("what isn't bool is refused where bool is meant") {
  CHECK_THROWS_WITH_AS(logical_and(zeros({3}), zeros({3})),
                       "logical_and: float32[3] is not bool; compare first, as in ne(x, 0)", Error);
  CHECK_THROWS_WITH_AS(logical_not(zeros({3}, int64)),
                       "logical_not: int64[3] is not bool; compare first, as in ne(x, 0)", Error);
  CHECK_THROWS_WITH_AS(where(zeros({3}), zeros({3}), zeros({3})),
                       "where: the condition is float32[3], not bool; compare first, as in eq(x, y)", Error);
  CHECK_THROWS_WITH_AS(eq(zeros({3}, int64), zeros({3})),
                       "eq: int64[3] and float32[3] differ in dtype; convert one with cast(x, float32)",
                       Error);
}

}  // namespace
}  // namespace tsr::test
