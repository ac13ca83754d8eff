#include "nn/init.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tensor/parallel.h"

namespace tsr::init {
namespace {

double fan_of(const char* name, const Tensor& weight, Fan fan) {
  TSR_CHECK(weight.rank() >= 2 && weight.numel() > 0, name, ": ", describe(weight),
            " has no fan; it must have two axes or more, none of them empty");
  const std::int64_t others = weight.size(fan == Fan::in ? 0 : -1), count = weight.numel() / others;
  return static_cast<double>(count);
}

double kaiming_variance(const char* name, const Tensor& weight, Fan fan, double slope) {
  return 2 / (1 + slope * slope) / fan_of(name, weight, fan);
}

double xavier_variance(const char* name, const Tensor& weight, double gain) {
  return gain * gain * 2 / (fan_of(name, weight, Fan::in) + fan_of(name, weight, Fan::out));
}

double normal_cdf(double z) { return std::erfc(-z / std::numbers::sqrt2) / 2; }

/// Where normal_cdf is p, by Newton's method from Winitzki's approximation
/// (2008) of the error function's inverse.
double normal_quantile(double p) {
  constexpr double kA = 0.147;
  const double x = 2 * p - 1, log = std::log(4 * p * (1 - p)), half = 2 / (std::numbers::pi * kA) + log / 2;
  double z = std::copysign(std::sqrt(2 * (std::sqrt(half * half - log / kA) - half)), x);
  for (int i = 0; i < 3; ++i) {
    const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
    z -= (normal_cdf(z) - p) / density;
  }
  return z;
}

/// Takes from row `i` of q [rows, columns] what lies along the rows above it; leaves it with length 1.
void orthonormalize_row(double* q, std::int64_t i, std::int64_t columns) {
  double* const row = q + i * columns;
  const auto dot = [columns](const double* a, const double* b) {
    double total = 0;
    for (std::int64_t k = 0; k < columns; ++k) total += a[k] * b[k];
    return total;
  };
  for (int pass = 0; pass < 2; ++pass)  // what the first leaves by rounding
    for (std::int64_t j = 0; j < i; ++j) {
      const double along = dot(row, q + j * columns);
      for (std::int64_t k = 0; k < columns; ++k) row[k] -= along * q[j * columns + k];
    }
  const double length = std::sqrt(dot(row, row));
  for (std::int64_t k = 0; k < columns; ++k) row[k] /= length;
}

}  // namespace

void zeros(const Tensor& tensor) { fill_with(tensor, 0); }
void ones(const Tensor& tensor) { fill_with(tensor, 1); }
void constant(const Tensor& tensor, double value) { fill_with(tensor, value); }

void uniform(const Tensor& tensor, double low, double high, Generator& generator) {
  copy_into(tensor, tsr::uniform(tensor.shape(), generator, low, high, tensor.dtype(), tensor.device()));
}

void normal(const Tensor& tensor, double mean, double std, Generator& generator) {
  copy_into(tensor, tsr::normal(tensor.shape(), generator, mean, std, tensor.dtype(), tensor.device()));
}

void trunc_normal(const Tensor& tensor, double mean, double std, double low, double high,
                  Generator& generator) {
  TSR_CHECK(std > 0 && low < high, "trunc_normal: std ", std, ", low ", low, ", high ", high,
            "; std must be positive and low below high");
  const double p_low = normal_cdf((low - mean) / std), p_high = normal_cdf((high - mean) / std);
  TSR_CHECK(p_low < p_high, "trunc_normal: N(", mean, ", ", std, "²) doesn't reach [", low, ", ", high, "]");
  const Tensor values = tsr::uniform(tensor.shape(), generator, 0, 1, float64);
  auto* const value = values.data<double>();
  parallel_for(values.numel(), 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const double p = p_low + (p_high - p_low) * value[i];
      value[i] = p <= 0 ? low : p >= 1 ? high : std::clamp(mean + std * normal_quantile(p), low, high);
    }
  });
  copy_into(tensor, values.to(tensor.device()));
}

void kaiming_normal(const Tensor& weight, Fan fan, double slope, Generator& generator) {
  normal(weight, 0, std::sqrt(kaiming_variance("kaiming_normal", weight, fan, slope)), generator);
}

void kaiming_uniform(const Tensor& weight, Fan fan, double slope, Generator& generator) {
  const double bound = std::sqrt(3 * kaiming_variance("kaiming_uniform", weight, fan, slope));
  uniform(weight, -bound, bound, generator);
}

void xavier_normal(const Tensor& weight, double gain, Generator& generator) {
  normal(weight, 0, std::sqrt(xavier_variance("xavier_normal", weight, gain)), generator);
}

void xavier_uniform(const Tensor& weight, double gain, Generator& generator) {
  const double bound = std::sqrt(3 * xavier_variance("xavier_uniform", weight, gain));
  uniform(weight, -bound, bound, generator);
}

void orthogonal(const Tensor& weight, double gain, Generator& generator) {
  TSR_CHECK(weight.rank() >= 2 && weight.numel() > 0, "orthogonal: ", describe(weight),
            " must have two axes or more, none of them empty");
  const std::int64_t out = weight.size(0), in = weight.numel() / out;
  const bool wide = out <= in;
  const std::int64_t rows = wide ? out : in, columns = wide ? in : out;
  const Tensor matrix = tsr::normal({rows, columns}, generator, 0, 1, float64);
  auto* const q = matrix.data<double>();
  for (std::int64_t i = 0; i < rows; ++i) orthonormalize_row(q, i, columns);
  for (std::int64_t k = 0; k < matrix.numel(); ++k) q[k] *= gain;
  const Tensor shaped = matrix.as_strided({out, in}, wide ? Shape{in, 1} : Shape{1, out}, 0).clone();
  copy_into(weight, shaped.as_strided(weight.shape(), dense_strides(weight.shape()), 0).to(weight.device()));
}

}  // namespace tsr::init
