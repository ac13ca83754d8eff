// Initialisers: their moments, bounds and structure.
#include "nn/init.h"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

namespace tsr::test {
namespace {

struct Moments {
  double mean = 0, std = 0, low = 0, high = 0;
};

Moments moments_of(const Tensor& tensor) {
  const Tensor t = tensor.to(float64);
  const double *begin = t.data<double>(), *end = begin + t.numel();
  Moments m{.low = *std::min_element(begin, end), .high = *std::max_element(begin, end)};
  for (const double* v = begin; v < end; ++v) m.mean += *v / static_cast<double>(t.numel());
  for (const double* v = begin; v < end; ++v)
    m.std += (*v - m.mean) * (*v - m.mean) / static_cast<double>(t.numel());
  m.std = std::sqrt(m.std);
  return m;
}

/// A weight [200, 3, 3, 50]: fan_in 450, fan_out 1800.
Tensor conv_weight() { return empty({200, 3, 3, 50}); }

}  // namespace

TEST_CASE("kaiming and xavier have the variance of their papers, normal or uniform") {
  Generator random(1);
  struct Rule {
    const char* name;
    void (*fill)(const Tensor&, Generator&);
    double variance;
    bool uniform;
  };
  using init::Fan;
  const Rule rules[] = {
      {"kaiming_normal", [](auto& t, auto& g) { init::kaiming_normal(t, Fan::in, 0, g); }, 2 / 450.0, false},
      {"kaiming_normal out", [](auto& t, auto& g) { init::kaiming_normal(t, Fan::out, 0, g); }, 2 / 1800.0,
       false},
      {"kaiming_uniform √5", [](auto& t, auto& g) { init::kaiming_uniform(t, Fan::in, std::sqrt(5), g); },
       2 / 6.0 / 450, true},
      {"xavier_normal", [](auto& t, auto& g) { init::xavier_normal(t, 3, g); }, 9 * 2 / 2250.0, false},
      {"xavier_uniform", [](auto& t, auto& g) { init::xavier_uniform(t, 1, g); }, 2 / 2250.0, true}};
  for (const Rule& rule : rules) {
    CAPTURE(rule.name);
    const Tensor weight = conv_weight();
    rule.fill(weight, random);
    const Moments m = moments_of(weight);
    const double std = std::sqrt(rule.variance);
    CHECK(m.std == doctest::Approx(std).epsilon(0.02));
    CHECK(std::abs(m.mean) < 0.02 * std);
    if (rule.uniform) {
      CHECK(m.high <= std * std::sqrt(3) * 1.00001);
      CHECK(m.high > std * std::sqrt(3) * 0.99);
    } else {
      CHECK(m.high > 3 * std);
    }
  }
  CHECK_THROWS_WITH_AS(init::kaiming_normal(empty({3})), doctest::Contains("has no fan"), Error);
}

TEST_CASE("a truncated normal stays inside its bounds with the moments of one") {
  Generator random(2);
  const Tensor weight = empty({300, 300}, float64);
  init::trunc_normal(weight, 0.5, 2, -1.5, 4.5, random);  // cut at ±1σ to the left, 2σ to the right
  const Moments m = moments_of(weight);
  CHECK(m.low >= -1.5);
  CHECK(m.high <= 4.5);
  // With a = -1, b = 2: mean μ + σ(φ(a) - φ(b))/Z, variance σ²(1 + (aφ(a) - bφ(b))/Z - ((φ(a) - φ(b))/Z)²).
  const auto density = [](double z) { return std::exp(-z * z / 2) / std::sqrt(2 * 3.14159265358979); };
  const double z = (std::erf(2 / std::sqrt(2)) + std::erf(1 / std::sqrt(2))) / 2;
  const double shift = (density(-1) - density(2)) / z;
  const double variance = 1 + (-density(-1) - 2 * density(2)) / z - shift * shift;
  CHECK(m.mean == doctest::Approx(0.5 + 2 * shift).epsilon(0.02));
  CHECK(m.std == doctest::Approx(2 * std::sqrt(variance)).epsilon(0.01));

  // The quantile itself: a quarter, half and 97.5 % of the values lie below these.
  init::trunc_normal(weight, 0, 1, -40, 40, random);
  for (const auto& [quantile, share] :
       {std::pair(-0.6744897501960817, 0.25), {0.0, 0.5}, {1.959963984540054, 0.975}}) {
    const double* values = weight.data<double>();
    const auto below =
        std::count_if(values, values + weight.numel(), [q = quantile](double v) { return v < q; });
    CHECK(static_cast<double>(below) / static_cast<double>(weight.numel()) ==
          doctest::Approx(share).epsilon(0.02));
  }
  CHECK_THROWS_WITH_AS(init::trunc_normal(weight, 0, 1, 2, 1), doctest::Contains("low below high"), Error);
  CHECK_THROWS_WITH_AS(init::trunc_normal(weight, 0, 1e-3, 1, 2), doctest::Contains("doesn't reach"), Error);
}

TEST_CASE("orthogonal rows, or columns where there are fewer") {
  Generator random(3);
  for (const Shape& shape : {Shape{5, 2, 2, 3}, Shape{12, 5}, Shape{4, 4}}) {
    CAPTURE(shape);
    const Tensor weight = empty(shape, float64);
    init::orthogonal(weight, 2, random);
    const std::int64_t out = shape[0], in = weight.numel() / out, few = std::min(in, out);
    const bool rows = out <= in;
    const auto at = [&](std::int64_t i, std::int64_t k) {
      return weight.data<double>()[rows ? i * in + k : k * in + i];
    };
    for (std::int64_t i = 0; i < few; ++i)
      for (std::int64_t j = 0; j < few; ++j) {
        double dot = 0;
        for (std::int64_t k = 0; k < std::max(in, out); ++k) dot += at(i, k) * at(j, k);
        CHECK(dot == doctest::Approx(i == j ? 4 : 0).epsilon(1e-12));
      }
  }
}

TEST_CASE("constants, uniform and normal fill in place") {
  const Tensor tensor = empty({1000}, float64);
  init::ones(tensor);
  CHECK(moments_of(tensor).low == 1);
  init::constant(tensor, 3);
  CHECK(moments_of(tensor).mean == doctest::Approx(3));
  init::zeros(tensor);
  CHECK(moments_of(tensor).high == 0);
  Generator random(4);
  init::uniform(tensor, 2, 3, random);
  CHECK(moments_of(tensor).low >= 2);
  CHECK(moments_of(tensor).high < 3);
  init::normal(tensor, 5, 0.1, random);
  CHECK(moments_of(tensor).mean == doctest::Approx(5).epsilon(0.01));
  // By default from the stream that initialises modules.
  const Tensor a = empty({4}), b = empty({4});
  seed_init(6);
  init::normal(a, 0, 1);
  seed_init(6);
  init::normal(b, 0, 1);
  CHECK(std::equal(a.data<float>(), a.data<float>() + 4, b.data<float>()));
}

}  // namespace tsr::test
