// Cases of arithmetic, rounding and powers; what they do at edges and to integers.
#include <cmath>
#include <doctest/doctest.h>
#include <limits>

#include "tests/ops/pointwise_cases.h"

namespace tsr::test {
namespace {

double rest_down(double a, double b) { return a - b * std::floor(a / b); }

bool pow_with(double exponent, Values values) {
  return add_case({.name = "pow_scalar",
                   .kernels = {"pow_scalar_fwd"},
                   .call = [exponent](const Tensors& x) { return pow(x[0], exponent); },
                   .reference =
                       [exponent](const Tensors& x) {
                         return map(x[0], [exponent](double v) { return std::pow(v, exponent); });
                       },
                   .variants = unary_variants(values),
                   .benchmark = {{{256, 32, 32, 64}, values}}});
}

bool clamp_between(std::optional<double> low, std::optional<double> high) {
  const double least = low.value_or(-INFINITY), most = high.value_or(INFINITY);
  return add_case({.name = "clamp",
                   .kernels = {"clamp_fwd"},
                   .call = [=](const Tensors& x) { return clamp(x[0], low, high); },
                   .reference =
                       [=](const Tensors& x) {
                         return map(x[0], [=](double v) { return std::min(std::max(v, least), most); });
                       },
                   .variants = unary_variants(Values::distinct),
                   .benchmark = {{{256, 32, 32, 64}}}});
}

const bool arithmetic_cases[] = {
    unary_case(
        "neg", neg, [](double x) { return -x; }, Values::normal, kExtreme),
    unary_case(
        "abs", abs, [](double x) { return std::abs(x); }, Values::distinct, kExtreme),
    unary_case(
        "sign", sign, [](double x) { return double((x > 0) - (x < 0)); }, Values::distinct, kExtreme),
    unary_case(
        "floor", floor, [](double x) { return std::floor(x); }, Values::normal),
    unary_case(
        "ceil", ceil, [](double x) { return std::ceil(x); }, Values::normal),
    unary_case(
        "round", round, [](double x) { return std::nearbyint(x); }, Values::normal),
    unary_case(
        "trunc", trunc, [](double x) { return std::trunc(x); }, Values::normal),
    unary_case(
        "square", square, [](double x) { return x * x; }, Values::normal),
    unary_case(
        "sqrt", sqrt, [](double x) { return std::sqrt(x); }, Values::positive),
    unary_case(
        "rsqrt", rsqrt, [](double x) { return 1 / std::sqrt(x); }, Values::positive),
    unary_case(
        "reciprocal", reciprocal, [](double x) { return 1 / x; }, Values::positive),
    binary_case(
        "add", add, [](double a, double b) { return a + b; }, Values::normal),
    binary_case(
        "sub", sub, [](double a, double b) { return a - b; }, Values::normal),
    binary_case(
        "mul", mul, [](double a, double b) { return a * b; }, Values::normal),
    binary_case(
        "div", div, [](double a, double b) { return a / b; }, Values::positive),
    binary_case(
        "maximum", maximum, [](double a, double b) { return a > b ? a : b; }, Values::normal),
    binary_case(
        "minimum", minimum, [](double a, double b) { return a < b ? a : b; }, Values::normal),
    binary_case(
        "pow", pow, [](double a, double b) { return std::pow(a, b); }, Values::positive),
    binary_case(
        "fmod", fmod, [](double a, double b) { return std::fmod(a, b); }, Values::positive),
    binary_case("remainder", remainder, rest_down, Values::positive),
    pow_with(2, Values::normal),
    pow_with(3, Values::normal),
    pow_with(-1, Values::positive),
    pow_with(0, Values::normal),
    pow_with(1, Values::normal),
    pow_with(5, Values::normal),
    pow_with(0.5, Values::positive),
    pow_with(-2.5, Values::positive),
    clamp_between(-0.65, 1.25),
    clamp_between({}, 0.3),
    clamp_between(-0.2, {}),
    add_case({.name = "cast",
              .kernels = {"copy_fwd"},
              .call = [](const Tensors& x) { return cast(cast(x[0], float64), x[0].dtype()); },
              .reference = [](const Tensors& x) { return x[0]; },
              .variants = unary_variants(Values::normal)}),
};

double at(UnaryOp op, double x, DType dtype) { return op(scalar(x, dtype)).item(); }
double at(BinaryOp op, double a, double b, DType dtype) {
  return op(scalar(a, dtype), scalar(b, dtype)).item();
}
bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

TEST_CASE("rounding: halves to even, and what is infinite, NaN, huge or -0 stays") {
  for (DType dtype : {float32, float64}) {
    const double halves[][2] = {{0.5, 0}, {1.5, 2}, {2.5, 2}, {-0.5, -0.0}, {-1.5, -2}, {-2.5, -2}};
    for (const auto& [x, y] : halves) CHECK(same(at(round, x, dtype), y));
    CHECK(same(at(floor, -0.25, dtype), -1));
    CHECK(same(at(ceil, -0.25, dtype), -0.0));
    CHECK(same(at(trunc, -1.75, dtype), -1));
    for (UnaryOp op : {UnaryOp(floor), UnaryOp(ceil), UnaryOp(round), UnaryOp(trunc)})
      for (double x : std::initializer_list<double>{0.0, -0.0, 3.0, 1e10, -1e30, INFINITY, -INFINITY, NAN}) {
        const double stays = scalar(x, dtype).item();
        CAPTURE(x);
        CHECK(same(at(op, x, dtype), stays));
      }
  }
}

TEST_CASE("pow is C's pow at every edge") {
  const double values[] = {0.0, -0.0, 0.5, -0.5, 1, -1, 2, -2, 3, 2.5, INFINITY, -INFINITY, NAN, 1e-30};
  for (DType dtype : {float32, float64})
    for (double a : values)
      for (double b : values) {
        const double base = scalar(a, dtype).item(), exponent = scalar(b, dtype).item();
        const double expected = scalar(std::pow(base, exponent), dtype).item();
        CAPTURE(a);
        CAPTURE(b);
        const double both = at(pow, a, b, dtype), number = pow(scalar(a, dtype), b).item();
        CHECK((same(both, expected) || both == doctest::Approx(expected).epsilon(1e-6)));
        CHECK((same(number, expected) || number == doctest::Approx(expected).epsilon(1e-6)));
      }
  CHECK(at(pow, -3, 5, float32) == -243);
  CHECK(at(pow, 7, 8, float32) == 5764801);
}

/// d y / d x of a scalar, and what its own derivative is.
std::pair<double, double> slopes(const std::function<Tensor(const Tensor&)>& f, double at) {
  Tensor x = scalar(at, float64);
  x.requires_grad_();
  const Tensor first = grad(f(x), {x}, {}, {.create_graph = true})[0];
  if (!first.requires_grad()) return {first.item(), 0};
  const Tensor second = grad(first, {x})[0];
  return {first.item(), second.defined() ? second.item() : 0};
}

TEST_CASE("pow's gradients at 0, and for a negative base") {
  const auto power = [](double b) { return [b](const Tensor& x) { return pow(x, scalar(b, float64)); }; };
  const auto number = [](double b) { return [b](const Tensor& x) { return pow(x, b); }; };
  using Pair = std::pair<double, double>;
  CHECK(slopes(power(0), 0) == Pair(0, 0));
  CHECK(slopes(power(1), 0) == Pair(1, 0));
  CHECK(slopes(power(2), 0) == Pair(0, 2));
  CHECK(slopes(power(3), 0) == Pair(0, 0));
  CHECK(slopes(number(0), 0) == Pair(0, 0));
  CHECK(slopes(number(1), 0) == Pair(1, 0));
  CHECK(slopes(number(2), 0) == Pair(0, 2));
  CHECK(slopes(number(3), -2) == Pair(12, -12));
  CHECK(slopes(power(3), -2) == Pair(12, -12));
  const auto exponent = [](double a) { return [a](const Tensor& b) { return pow(scalar(a, float64), b); }; };
  CHECK(slopes(exponent(0), 0) == Pair(0, 0));
  CHECK(slopes(exponent(0), 2) == Pair(0, 0));
  CHECK(slopes(exponent(1), 2) == Pair(0, 0));
  CHECK(std::isnan(slopes(exponent(-1), 2).first));
}

TEST_CASE("fmod takes the sign of a, remainder that of b") {
  for (DType dtype : {float32, float64}) {
    CHECK(at(fmod, -7, 3, dtype) == -1);
    CHECK(at(fmod, 7, -3, dtype) == 1);
    CHECK(at(remainder, -7, 3, dtype) == 2);
    CHECK(at(remainder, 7, -3, dtype) == -2);
    CHECK(at(remainder, 6, 3, dtype) == 0);
    CHECK(std::isnan(at(fmod, 1, 0, dtype)));
    CHECK(std::isnan(at(remainder, INFINITY, 2, dtype)));
    CHECK(at(fmod, 5, INFINITY, dtype) == 5);
  }
  Tensor b = scalar(3, float64);
  b.requires_grad_();
  remainder(scalar(-7, float64), b).backward();
  CHECK(b.grad().item() == 3);  // -7 - 3·(-3)
}

TEST_CASE("clamp: NaN stays, and the gradient passes between the bounds") {
  Tensor x = from_values({-2, -1, 0, 1, 2, NAN}, {6});
  x.requires_grad_();
  const Tensor y = clamp(x, -1, 1);
  sum(y).backward();
  const float expected[] = {0, 0, 1, 0, 0, 0};
  for (int i = 0; i < 6; ++i) CHECK(x.grad().data<float>()[i] == expected[i]);
  CHECK(std::isnan(y.data<float>()[5]));
  CHECK_THROWS_WITH_AS(clamp(x, {}), "clamp: neither bound is given; give one of them at least", Error);
  CHECK_THROWS_WITH_AS(clamp(x, 2, 1), "clamp: the bounds are 2 and 1; low must not exceed high", Error);
}

TEST_CASE("NaN in either operand is the larger and the smaller") {
  for (DType dtype : {float32, float64})
    for (BinaryOp op : {BinaryOp(maximum), BinaryOp(minimum)}) {
      CHECK(std::isnan(at(op, NAN, 1, dtype)));
      CHECK(std::isnan(at(op, 1, NAN, dtype)));
    }
}

TEST_CASE("integers: arithmetic that wraps around, in every layout") {
  const auto check = [](DType dtype, std::int64_t lowest) {
    const Tensor a = from_values(std::vector<std::int64_t>{3, -4, 0, 7, lowest, -1}, {2, 3}).to(dtype);
    const Tensor b = from_values(std::vector<std::int64_t>{2, -5, 9}, {3}).to(dtype);
    const auto is = [dtype](const Tensor& y, const std::vector<std::int64_t>& values) {
      CHECK(y.dtype() == dtype);
      const Tensor wide = y.to(int64).clone();
      for (std::size_t i = 0; i < values.size(); ++i) CHECK(wide.data<std::int64_t>()[i] == values[i]);
    };
    is(a + b, {5, -9, 9, 9, -(lowest + 5), 8});
    is(a - b, {1, 1, -9, 5, lowest + 5, -10});
    is(a * b, {6, 20, 0, 14, lowest, -9});
    is(maximum(a, b), {3, -4, 9, 7, -5, 9});
    is(minimum(a, b), {2, -5, 0, 2, lowest, -1});
    is(-a, {-3, 4, 0, -7, lowest, 1});
    is(abs(a), {3, 4, 0, 7, lowest, 1});
    is(sign(a), {1, -1, 0, 1, -1, -1});
    is(transpose(a) * 2.0, {6, 14, -8, 0, 0, -2});
    is(where(gt(a, 0), a, b), {3, -5, 9, 7, -5, 9});
  };
  // lowest - 5 wraps around to the top: -(lowest + 5) says it without overflowing
  check(int32, std::numeric_limits<std::int32_t>::min());
  check(int64, std::numeric_limits<std::int64_t>::min());
}

TEST_CASE("every dtype casts to every other") {
  const DType dtypes[] = {float32, float64, bfloat16, float16, int64, int32, uint8, boolean};
  for (DType from : dtypes)
    for (DType to : dtypes) {
      const Tensor y = cast(arange(5).to(from), to).to(float64);
      CAPTURE(from);
      CAPTURE(to);
      for (int i = 0; i < 5; ++i)
        CHECK(y.data<double>()[i] == (from == boolean || to == boolean ? double(i != 0) : i));
    }
}

TEST_CASE("a mismatch names the op, the operands and the rule") {
  CHECK_THROWS_WITH_AS(add(zeros({2, 3}), zeros({2, 4})),
                       "add: shapes [2, 3] and [2, 4] don't broadcast: sizes 3 and 4 differ and neither is 1",
                       Error);
  CHECK_THROWS_WITH_AS(mul(zeros({2}), zeros({2}, float64)),
                       "mul: float32[2] and float64[2] differ in dtype; convert one with cast(x, float32)",
                       Error);
  const Tensor whole = zeros({3}, int64);
  CHECK_THROWS_WITH_AS(whole + zeros({3}),
                       "add: int64[3] and float32[3] differ in dtype; convert one with cast(x, float32)",
                       Error);
  CHECK_THROWS_WITH_AS(exp(whole), "exp: int64[3] is not floating; convert it with cast(x, float32)", Error);
  CHECK_THROWS_WITH_AS(whole / 2.0, "div: int64[3] is not floating; convert it with cast(x, float32)", Error);
  CHECK_THROWS_WITH_AS(pow(whole, 2), "pow: int64[3] is not floating; convert it with cast(x, float32)",
                       Error);
  CHECK_THROWS_WITH_AS(zeros({3}, boolean) + ones({3}, boolean),
                       "add: bool[3] is neither floating nor int64 or int32; convert it with cast(x, int64)",
                       Error);
  CHECK_THROWS_WITH_AS(
      whole * 0.5, "scalar_like: 0.5 is no int64, as int64[3] is; convert that with cast(x, float32)", Error);
}

}  // namespace
}  // namespace tsr::test
