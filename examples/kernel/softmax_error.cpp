// What is wrong with the weights that a rung of the ladder computes.
#include <algorithm>
#include <cmath>
#include <vector>

#include "examples/kernel/softmax_ladder.h"
#include "tensor/random.h"

namespace tsr::TSR_BACKEND {
namespace {

/// The softmax of n numbers, as the formula has it.
std::vector<double> exact_weights(const float* x, std::int64_t n) {
  const double maximum = *std::max_element(x, x + n);
  std::vector<double> result;
  result.reserve(static_cast<std::size_t>(n));
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    result.push_back(std::exp(x[i] - maximum));
    sum += result.back();
  }
  for (double& weight : result) weight /= sum;
  return result;
}

}  // namespace

Tensor draw_logits(std::int64_t rows, std::int64_t n, double center) {
  Generator generator(7);
  return uniform({rows, n}, generator, center - 8, center + 8);
}

Tensor weights(const Rung& rung, const Tensor& logits) {
  const Tensor x = logits.to(Device::TSR_BACKEND), y = empty(logits.shape(), float32, Device::TSR_BACKEND);
  rung.run(x.view(), y.view());
  return y.to(Device::cpu);
}

double largest_error(const Rung& rung, const Tensor& logits) {
  const Tensor y = weights(rung, logits);
  const std::int64_t n = logits.size(1);
  double largest = 0;
  for (std::int64_t row = 0; row < logits.size(0); ++row) {
    const std::vector<double> exact = exact_weights(logits.data<float>() + row * n, n);
    const double unit = *std::max_element(exact.begin(), exact.end());
    for (std::int64_t i = 0; i < n; ++i) {
      const double error = std::abs(y.data<float>()[row * n + i] - exact[static_cast<std::size_t>(i)]) / unit;
      if (std::isnan(error)) return error;
      largest = std::max(largest, error);
    }
  }
  return largest;
}

}  // namespace tsr::TSR_BACKEND
