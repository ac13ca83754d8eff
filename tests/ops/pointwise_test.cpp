// Cases of the pointwise ops.
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

bool unary(const char* name, Tensor (*op)(const Tensor&), double (*f)(double), Values values,
           std::vector<Variant> extra = {}) {
  std::vector<Variant> variants = unary_variants(values);
  variants.insert(variants.end(), extra.begin(), extra.end());
  return add_case({.name = name,
                   .kernels = {std::string(name) + "_fwd"},
                   .call = [op](const Tensors& x) { return op(x[0]); },
                   .reference = [f](const Tensors& x) { return map(x[0], f); },
                   .variants = variants,
                   .benchmark = {{{256, 32, 32, 64}, values}}});
}

bool binary(const char* name, Tensor (*op)(const Tensor&, const Tensor&), double (*f)(double, double),
            Values values, Differentiable differentiable = Differentiable::twice) {
  return add_case({.name = name,
                   .kernels = {std::string(name) + "_fwd"},
                   .call = [op](const Tensors& x) { return op(x[0], x[1]); },
                   .reference = [f](const Tensors& x) { return zip(x[0], x[1], f); },
                   .variants = binary_variants(values),
                   .differentiable = differentiable,
                   .benchmark = {{{256, 32, 32, 64}, values}, {{256, 32, 32, 64}, values}}});
}

const std::vector<Variant> kExtreme{{{{{2, 9}, Values::huge}}, false}, {{{{3, 3}, Values::equal}}}};

const bool added[] = {
    unary(
        "neg", neg, [](double x) { return -x; }, Values::normal, kExtreme),
    unary(
        "exp", exp, [](double x) { return std::exp(x); }, Values::normal),
    unary(
        "log", log, [](double x) { return std::log(x); }, Values::positive),
    unary(
        "sqrt", sqrt, [](double x) { return std::sqrt(x); }, Values::positive),
    unary(
        "abs", abs, [](double x) { return std::abs(x); }, Values::distinct, kExtreme),
    unary(
        "sign", sign, [](double x) { return x > 0   ? 1.0
                                            : x < 0 ? -1.0
                                                    : 0.0; }, Values::distinct, kExtreme),
    unary(
        "relu", relu, [](double x) { return x > 0 ? x : 0; }, Values::distinct, kExtreme),
    unary(
        "sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, Values::normal, kExtreme),
    unary(
        "tanh", tanh, [](double x) { return std::tanh(x); }, Values::normal, kExtreme),
    binary(
        "add", add, [](double a, double b) { return a + b; }, Values::normal),
    binary(
        "sub", sub, [](double a, double b) { return a - b; }, Values::normal),
    binary(
        "mul", mul, [](double a, double b) { return a * b; }, Values::normal),
    binary(
        "div", div, [](double a, double b) { return a / b; }, Values::positive),
    binary(
        "maximum", maximum, [](double a, double b) { return a > b ? a : b; }, Values::normal),
    binary(
        "minimum", minimum, [](double a, double b) { return a < b ? a : b; }, Values::normal),
    binary(
        "eq", eq, [](double a, double b) { return double(a == b); }, Values::rising, Differentiable::no),
    binary(
        "lt", lt, [](double a, double b) { return double(a < b); }, Values::rising, Differentiable::no),
    binary(
        "le", le, [](double a, double b) { return double(a <= b); }, Values::rising, Differentiable::no),
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
                           {{{{2, 5}, Values::normal, 0, true}, {{2, 5}}, {{2, 5}, Values::mask}}}}}),
    // relu's backward is an op of its own: linear in the gradient.
    add_case({.name = "relu_backward",
              .kernels = {"relu_bwd"},
              .call =
                  [](const Tensors& x) {
                    const GradMode record(true);  // values are asked for under NoGrad
                    Tensor point = x[1].detach();
                    point.requires_grad_();
                    return grad(relu(point), {point}, x[0], {.create_graph = true})[0];
                  },
              .reference =
                  [](const Tensors& x) {
                    return zip(x[0], x[1], [](double g, double v) { return v > 0 ? g : 0; });
                  },
              .variants = {{{{{3, 5}}, {{3, 5}, Values::distinct}}}}}),
    add_case({.name = "cast",
              .kernels = {"copy_fwd"},
              .call = [](const Tensors& x) { return cast(cast(x[0], float64), x[0].dtype()); },
              .reference = [](const Tensors& x) { return x[0]; },
              .variants = unary_variants(Values::normal)}),
};

TEST_CASE("exp, log and tanh at their edges") {
  const double inf = INFINITY;
  for (DType dtype : {float32, float64}) {
    const auto at = [&](Tensor (*op)(const Tensor&), double x) { return op(scalar(x, dtype)).item(); };
    CHECK(at(exp, 1e4) == inf);
    CHECK(at(exp, -1e4) == 0);
    CHECK(at(exp, -inf) == 0);
    CHECK(at(exp, inf) == inf);
    CHECK(std::isnan(at(exp, NAN)));
    CHECK(at(exp, 88.5) == doctest::Approx(std::exp(88.5)).epsilon(1e-5));
    CHECK(at(log, 0) == -inf);
    CHECK(at(log, inf) == inf);
    CHECK(std::isnan(at(log, -1)));
    CHECK(std::isnan(at(log, NAN)));
    CHECK(at(tanh, 1e4) == 1);
    CHECK(std::isnan(at(relu, NAN)));
    CHECK(std::isnan(maximum(scalar(NAN, dtype), scalar(1, dtype)).item()));
    CHECK(std::isnan(maximum(scalar(1, dtype), scalar(NAN, dtype)).item()));
  }
  CHECK(exp(scalar(709, float64)).item() == doctest::Approx(std::exp(709.0)).epsilon(1e-12));
}

TEST_CASE("a mismatch names the op, the operands and the rule") {
  CHECK_THROWS_WITH_AS(add(zeros({2, 3}), zeros({2, 4})),
                       "add: shapes [2, 3] and [2, 4] don't broadcast: sizes 3 and 4 differ and neither is 1",
                       Error);
  CHECK_THROWS_WITH_AS(mul(zeros({2}), zeros({2}, float64)),
                       "mul: float32[2] and float64[2] differ in dtype; convert one with cast(x, float32)",
                       Error);
}

}  // namespace
}  // namespace tsr::test
