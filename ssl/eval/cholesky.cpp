#include "ssl/eval/cholesky.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"

namespace tsr {
namespace {

constexpr std::int64_t kBlock = 64;

/// Columns begin … end-1 of L, given that all columns before have been taken off a (n × n) already.
void factor_columns(double* a, std::int64_t n, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < n; ++i)
    for (std::int64_t j = begin; j < std::min(end, i + 1); ++j) {
      double sum = a[i * n + j];
      for (std::int64_t k = begin; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      TSR_CHECK(i != j || sum > 0, "Cholesky: the matrix is not positive definite (pivot ", i, " is ", sum,
                ")");
      a[i * n + j] = i == j ? std::sqrt(sum) : sum / a[j * n + j];
    }
}

}  // namespace

Cholesky::Cholesky(const Tensor& matrix) : factor_(matrix.clone()) {
  TSR_CHECK(matrix.rank() == 2 && matrix.size(0) == matrix.size(1) && matrix.dtype() == float64,
            "Cholesky: ", describe(matrix), " is not float64 [n, n]");
  NoGrad guard;
  const std::int64_t n = matrix.size(0);
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, n);
    factor_columns(factor_.data<double>(), n, begin, end);
    if (end == n) break;
    const Tensor panel = slice(slice(factor_, 0, end, n), 1, begin, end);
    const Tensor rest = slice(slice(factor_, 0, end, n), 1, end, n);
    copy_into(rest, rest - matmul(panel, transpose(panel)));
  }
}

void Cholesky::solve(double* b, std::int64_t columns) const {
  const double* l = factor_.data<double>();
  const std::int64_t n = factor_.size(0);
  const auto eliminate = [&](std::int64_t row, std::int64_t by, double coefficient) {
    for (std::int64_t c = 0; c < columns; ++c) b[row * columns + c] -= coefficient * b[by * columns + c];
  };
  const auto divide = [&](std::int64_t row) {
    for (std::int64_t c = 0; c < columns; ++c) b[row * columns + c] /= l[row * n + row];
  };
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < i; ++j) eliminate(i, j, l[i * n + j]);
    divide(i);
  }
  for (std::int64_t i = n; i-- > 0;) {
    divide(i);
    for (std::int64_t j = 0; j < i; ++j) eliminate(j, i, l[i * n + j]);
  }
}

}  // namespace tsr
