// Cases of norms, variance and logsumexp over any axes, and their behaviour at extremes.
#include <cmath>
#include <doctest/doctest.h>

#include "tests/ops/reduce_cases.h"

namespace tsr::test {
namespace {

double euclidean(const std::vector<double>& values) {
  double result = 0;
  for (double value : values) result += value * value;
  return std::sqrt(result);
}
Fold power_norm(double p) {
  return [p](const std::vector<double>& values) {
    double result = 0;
    for (double value : values)
      result = std::isinf(p) ? std::max(result, std::abs(value)) : result + std::pow(std::abs(value), p);
    return std::isinf(p) ? result : std::pow(result, 1 / p);
  };
}
double spread(const std::vector<double>& values) {
  const double center = average(values);
  double result = 0;
  for (double value : values) result += (value - center) * (value - center);
  return result / static_cast<double>(values.size() - 1);
}

Tensor variance(const Tensor& x, const Shape& axes, bool keepdim) { return var(x, axes, keepdim); }
Tensor deviation(const Tensor& x, const Shape& axes, bool keepdim) { return stddev(x, axes, keepdim); }
double root_of_spread(const std::vector<double>& values) { return std::sqrt(spread(values)); }
AxesReduction norm_of(double p) {
  return [p](const Tensor& x, const Shape& axes, bool keepdim) { return norm(x, axes, keepdim, p); };
}

const bool norm_cases[] = {
    some_axes("logsumexp", {"logsumexp_fwd"}, logsumexp, log_sum_exp, Values::normal),
    some_axes("norm", {"norm_fwd"}, norm_of(2), euclidean, Values::normal),
    reduction("norm", {"sum_fwd"}, norm_of(1), power_norm(1), {}, true, Values::distinct),
    reduction("norm", {"sum_fwd"}, norm_of(1), power_norm(1), {0, 2}, false, Values::distinct),
    reduction("norm", {"max_fwd"}, norm_of(INFINITY), power_norm(INFINITY), {}, true, Values::distinct),
    reduction("norm", {"max_fwd"}, norm_of(INFINITY), power_norm(INFINITY), {0, 2}, false, Values::distinct),
    reduction("norm", {"sum_fwd"}, norm_of(3), power_norm(3), {}, true, Values::normal),
    reduction("norm", {"sum_fwd"}, norm_of(3), power_norm(3), {0, 2}, false, Values::normal),
    reduction("norm", {"sum_fwd"}, norm_of(1.5), power_norm(1.5), {1}, true, Values::distinct),
    reduction("var", {"sum_fwd"}, variance, spread, {0, 2}, false, Values::normal),
    reduction("var", {"sum_fwd"}, variance, spread, {}, true, Values::normal),
    reduction("stddev", {"sum_fwd"}, deviation, root_of_spread, {0, 2}, false, Values::normal),
    reduction("stddev", {"sum_fwd"}, deviation, root_of_spread, {}, true, Values::normal),
};

TEST_CASE("norms of values whose powers leave the dtype's range") {
  const Tensor big = from_values({3e30f, -4e30f}, {2}), tiny = from_values({3e-30f, 4e-30f}, {2});
  for (const Tensor& x : {big, tiny}) {
    const double unit = std::abs(x.data<float>()[0]) / 3;
    CHECK(norm(x).item() / unit == doctest::Approx(5).epsilon(1e-6));
    CHECK(norm(x, {}, false, 3).item() / unit == doctest::Approx(std::cbrt(91.0)).epsilon(1e-6));
    CHECK(norm(x, {}, false, 1).item() / unit == doctest::Approx(7).epsilon(1e-6));
    CHECK(norm(x, {}, false, INFINITY).item() / unit == doctest::Approx(4).epsilon(1e-6));
  }
  for (double p : {1.0, 2.0, 3.0, double{INFINITY}}) {
    CHECK(norm(from_values({1, -INFINITY}, {2}), {}, false, p).item() == INFINITY);
    CHECK(std::isnan(norm(from_values({1, NAN}, {2}), {}, false, p).item()));
    Tensor zero = zeros({3}, float64);
    zero.requires_grad_();
    norm(zero, {}, false, p).backward();
    for (int i = 0; i < 3; ++i) CHECK(zero.grad().data<double>()[i] == 0);
  }
  Tensor equal = full({4}, 3, float64);
  equal.requires_grad_();
  stddev(equal).backward();
  CHECK(equal.grad().data<double>()[2] == 0);
  CHECK_THROWS_WITH_AS(norm(big, {}, false, 0.5), "norm: p is 0.5; it must be 1 or more (or infinity)",
                       Error);
}

TEST_CASE("logsumexp over other axes than the last is as safe") {
  const Tensor x = from_values({1e4f, -INFINITY, 1e4f, -INFINITY}, {2, 2});
  const Tensor y = logsumexp(x, {0});
  CHECK(y.data<float>()[0] == doctest::Approx(1e4 + std::log(2.0)));
  CHECK(y.data<float>()[1] == -INFINITY);
  CHECK(logsumexp(x, {}, true).shape() == Shape{1, 1});
}

}  // namespace
}  // namespace tsr::test
