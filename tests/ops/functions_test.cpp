// Cases of exponentials, logarithms, trigonometry and the error function; their accuracy over all values.
#include <bit>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <random>
#include <sstream>

#include "tests/ops/pointwise_cases.h"

namespace tsr::test {
namespace {

double angle(double y, double x) { return std::atan2(y, x); }

const bool functions_cases[] = {
    unary_case(
        "exp", exp, [](double x) { return std::exp(x); }, Values::normal),
    unary_case(
        "exp2", exp2, [](double x) { return std::exp2(x); }, Values::normal),
    unary_case(
        "expm1", expm1, [](double x) { return std::expm1(x); }, Values::normal),
    unary_case(
        "log", log, [](double x) { return std::log(x); }, Values::positive),
    unary_case(
        "log2", log2, [](double x) { return std::log2(x); }, Values::positive),
    unary_case(
        "log10", log10, [](double x) { return std::log10(x); }, Values::positive),
    unary_case(
        "log1p", log1p, [](double x) { return std::log1p(x); }, Values::unit),
    unary_case(
        "sin", sin, [](double x) { return std::sin(x); }, Values::normal, kExtreme),
    unary_case(
        "cos", cos, [](double x) { return std::cos(x); }, Values::normal, kExtreme),
    unary_case(
        "tan", tan, [](double x) { return std::tan(x); }, Values::unit),
    unary_case(
        "asin", asin, [](double x) { return std::asin(x); }, Values::unit),
    unary_case(
        "acos", acos, [](double x) { return std::acos(x); }, Values::unit),
    unary_case(
        "atan", atan, [](double x) { return std::atan(x); }, Values::normal, kExtreme),
    unary_case(
        "sinh", sinh, [](double x) { return std::sinh(x); }, Values::normal),
    unary_case(
        "cosh", cosh, [](double x) { return std::cosh(x); }, Values::normal),
    unary_case(
        "tanh", tanh, [](double x) { return std::tanh(x); }, Values::normal, kExtreme),
    unary_case(
        "erf", erf, [](double x) { return std::erf(x); }, Values::normal, kExtreme),
    unary_case(
        "erfc", erfc, [](double x) { return std::erfc(x); }, Values::normal, kExtreme),
    binary_case("atan2", atan2, angle, Values::normal),
    backward_case(
        "tanh", tanh, [](double x) { return 1 - std::tanh(x) * std::tanh(x); }, Values::normal),
};

/// A function of one number, and what it is by the C library in long double.
struct Function {
  const char* name;
  std::function<Tensor(const Tensor&)> op;
  long double (*exact)(long double);
  double tolerance32 = 1e-6, tolerance64 = 1e-14;  ///< relative
};

// Where a float32 exponent of up to 88 is itself the rounded result of some arithmetic (as without fused
// multiply-add in erfc), the error of its exponential is up to 88 times 2^-23.
constexpr double kRoundedExponent = 2e-5;

long double logistic(long double x) { return 1 / (1 + std::exp(-x)); }
long double gelu_of(long double x) { return x < -200 ? -0.0L : x * std::erfc(-x / std::sqrt(2.0L)) / 2; }
long double gelu_tanh_of(long double x) {
  return x < -200 ? -0.0L : x * logistic(1.5957691216057307117597L * (x + 0.044715L * x * x * x));
}

const Function kFunctions[] = {
    {"exp", exp, [](long double x) { return std::exp(x); }},
    {"exp2", exp2, [](long double x) { return std::exp2(x); }},
    {"expm1", expm1, [](long double x) { return std::expm1(x); }},
    {"log", log, [](long double x) { return std::log(x); }},
    {"log2", log2, [](long double x) { return std::log2(x); }},
    {"log10", log10, [](long double x) { return std::log10(x); }},
    {"log1p", log1p, [](long double x) { return std::log1p(x); }},
    {"sin", sin, [](long double x) { return std::sin(x); }},
    {"cos", cos, [](long double x) { return std::cos(x); }},
    {"tan", tan, [](long double x) { return std::tan(x); }},
    {"asin", asin, [](long double x) { return std::asin(x); }},
    {"acos", acos, [](long double x) { return std::acos(x); }},
    {"atan", atan, [](long double x) { return std::atan(x); }},
    {"sinh", sinh, [](long double x) { return std::sinh(x); }},
    {"cosh", cosh, [](long double x) { return std::cosh(x); }},
    {"tanh", tanh, [](long double x) { return std::tanh(x); }},
    {"erf", erf, [](long double x) { return std::erf(x); }},
    {"erfc", erfc, [](long double x) { return std::erfc(x); }, kRoundedExponent},
    {"sqrt", sqrt, [](long double x) { return std::sqrt(x); }},
    {"rsqrt", rsqrt, [](long double x) { return 1 / std::sqrt(x); }},
    {"reciprocal", reciprocal, [](long double x) { return 1 / x; }},
    {"sigmoid", sigmoid, logistic},
    {"softplus", [](const Tensor& x) { return softplus(x); },
     [](long double x) { return x > 100 ? x : std::log1p(std::exp(x)); }},
    {"silu", silu, [](long double x) { return x < -20000 ? -0.0L : x * logistic(x); }},
    {"elu", [](const Tensor& x) { return elu(x); }, [](long double x) { return x > 0 ? x : std::expm1(x); }},
    {"gelu", [](const Tensor& x) { return gelu(x); }, gelu_of, kRoundedExponent, 1e-12},
    {"gelu tanh", [](const Tensor& x) { return gelu(x, GeluForm::tanh); }, gelu_tanh_of, kRoundedExponent,
     1e-12},
};

/// Every kind of value: edges, then random bit patterns, then numbers of everyday size.
template <class T>
std::vector<T> everything() {
  using Limits = std::numeric_limits<T>;
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  std::vector<T> values;
  for (T x : {T(0),
              T(1),
              T(0.5),
              T(2),
              T(88),
              T(88.5),
              T(89),
              T(104),
              T(705.5),
              T(709.5),
              T(710),
              T(745),
              T(39000.5),
              T(1e6),
              T(0.99),
              T(1.01),
              Limits::min(),
              Limits::denorm_min(),
              Limits::max(),
              Limits::epsilon(),
              Limits::epsilon() / 8,
              Limits::infinity()}) {
    values.push_back(x);
    values.push_back(-x);
  }
  values.push_back(Limits::quiet_NaN());
  std::mt19937_64 engine(11);
  for (int i = 0; i < 20000; ++i) values.push_back(std::bit_cast<T>(static_cast<Bits>(engine())));
  std::normal_distribution<double> everyday(0, 4);
  for (int i = 0; i < 20001; ++i) values.push_back(static_cast<T>(everyday(engine)));
  return values;
}

/// "" when y is f(x) up to a relative tolerance, with the right sign on zeros; what lies below the range of
/// normal numbers may lose digits.
template <class T>
std::string mismatch(const Function& f, T x, T y, double tolerance) {
  const long double exact = f.exact(x);
  const T expected = static_cast<T>(exact);
  const long double error = std::abs(static_cast<long double>(y) - exact);
  const long double allowed = tolerance * std::abs(exact) + 1e-5L * std::numeric_limits<T>::min();
  const bool right = std::isnan(expected)   ? std::isnan(y)
                     : std::isinf(expected) ? y == expected || error <= allowed
                     : x == 0 && exact == 0 ? y == 0 && std::signbit(y) == std::signbit(expected)
                                            : error <= allowed;
  if (right) return "";
  std::ostringstream out;
  out.precision(17);
  out << f.name << '(' << x << ") is " << y << ", should be " << expected;
  return out.str();
}

template <class T>
void check_everywhere(double Function::*tolerance) {
  const std::vector<T> x = everything<T>();
  const Tensor points = from_values(x, {static_cast<std::int64_t>(x.size())});
  for (const Function& f : kFunctions) {
    const Tensor y = f.op(points);
    std::string first;
    int wrong = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::string line = mismatch(f, x[i], y.data<T>()[i], f.*tolerance);
      if (!line.empty() && wrong++ == 0) first = line;
    }
    CAPTURE(std::string(f.name));
    CAPTURE(wrong);
    CHECK(first == "");
  }
}

TEST_CASE("functions are accurate at every value there is: float32") {
  check_everywhere<float>(&Function::tolerance32);
}

TEST_CASE("functions are accurate at every value there is: float64") {
  check_everywhere<double>(&Function::tolerance64);
}

TEST_CASE("whole powers of two and ten are exact") {
  for (DType dtype : {float32, float64}) {
    for (int n = -149; n < 128; ++n) CHECK(exp2(scalar(n, dtype)).item() == std::ldexp(1.0, n));
    for (int n = -126; n < 128; ++n) CHECK(log2(scalar(std::ldexp(1.0, n), dtype)).item() == n);
    CHECK(cos(scalar(0, dtype)).item() == 1);
    for (int n = 0; n < 10; ++n)
      CHECK(log10(scalar(std::pow(10.0, n), dtype)).item() == doctest::Approx(n).epsilon(3e-7));
  }
}

TEST_CASE("atan2: quadrants, signed zeros, infinities; its gradient at the origin is 0") {
  const double values[] = {0.0, -0.0, 1.0, -2.0, INFINITY, -INFINITY, NAN};
  for (DType dtype : {float32, float64})
    for (double y : values)
      for (double x : values) {
        const double ours = atan2(scalar(y, dtype), scalar(x, dtype)).item(), exact = std::atan2(y, x);
        CHECK((std::isnan(exact)
                   ? std::isnan(ours)
                   : std::abs(ours - exact) <= 1e-6 && std::signbit(ours) == std::signbit(exact)));
      }
  Tensor y = scalar(0, float64), x = scalar(0, float64);
  y.requires_grad_();
  x.requires_grad_();
  atan2(y, x).backward();
  CHECK(y.grad().item() == 0);
  CHECK(x.grad().item() == 0);
}

TEST_CASE("an element's bits don't depend on where in a row it stands") {
  const Tensor x = full({37}, 0.3);
  x.data<float>()[20] = 1e6f;  // its neighbours' vector takes the way round for huge values
  for (const Function& f : kFunctions) {
    const Tensor y = f.op(x);
    CAPTURE(std::string(f.name));
    for (int i = 0; i < 37; ++i)
      if (i != 20) CHECK(y.data<float>()[i] == y.data<float>()[0]);
  }
}

}  // namespace
}  // namespace tsr::test
