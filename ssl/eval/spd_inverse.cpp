#include "ssl/eval/spd_inverse.h"

#include <cmath>

#include "autograd/ops.h"

namespace tsr {
namespace {

constexpr std::int64_t kPlainSize = 48;  // up to here plain loops beat matrix products

/// L of matrix = L·Lᵀ.
Tensor plain_cholesky(const Tensor& matrix) {
  const std::int64_t n = matrix.size(0);
  Tensor result = matrix.clone();
  double* l = result.data<double>();
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j <= i; ++j) {
      double sum = l[i * n + j];
      for (std::int64_t k = 0; k < j; ++k) sum -= l[i * n + k] * l[j * n + k];
      TSR_CHECK(i != j || sum > 0, "spd_inverse: the matrix is not positive definite (pivot ", sum, ")");
      l[i * n + j] = i == j ? std::sqrt(sum) : sum / l[j * n + j];
    }
  return result;
}

/// The inverse of a lower triangle, column by column; what is above it in `l` is not read.
Tensor plain_triangle_inverse(const Tensor& triangle) {
  const std::int64_t n = triangle.size(0);
  const double* l = triangle.data<double>();
  Tensor result = zeros({n, n}, float64);
  double* k = result.data<double>();
  for (std::int64_t j = 0; j < n; ++j)
    for (std::int64_t i = j; i < n; ++i) {
      double sum = i == j ? 1 : 0;
      for (std::int64_t m = j; m < i; ++m) sum -= l[i * n + m] * k[m * n + j];
      k[i * n + j] = sum / l[i * n + i];
    }
  return result;
}

/// K = L⁻¹. With [A ·; B C] = [L₁ 0; X L₂]·[L₁ 0; X L₂]ᵀ: X = B·K₁ᵀ, L₂ is the factor of C - X·Xᵀ, and K is
/// [K₁ 0; -K₂·X·K₁ K₂]. Halving leaves nearly all of the work to matrix products.
Tensor inverse_factor(const Tensor& matrix) {
  const std::int64_t n = matrix.size(0), half = n / 2;
  if (n <= kPlainSize) return plain_triangle_inverse(plain_cholesky(matrix));
  const Tensor upper = slice(matrix, 0, 0, half), lower = slice(matrix, 0, half, n);
  const Tensor k1 = inverse_factor(slice(upper, 1, 0, half));
  const Tensor x = matmul(slice(lower, 1, 0, half), transpose(k1));
  const Tensor k2 = inverse_factor(slice(lower, 1, half, n) - matmul(x, transpose(x)));
  const Tensor corner = neg(matmul(k2, matmul(x, k1)));
  return concat({concat({k1, zeros({half, n - half}, float64)}, 1), concat({corner, k2}, 1)}, 0);
}

}  // namespace

Tensor spd_inverse(const Tensor& matrix) {
  TSR_CHECK(matrix.rank() == 2 && matrix.size(0) == matrix.size(1) && matrix.dtype() == float64,
            "spd_inverse: ", describe(matrix), " is not float64 [n, n]");
  NoGrad guard;
  const Tensor factor = inverse_factor(matrix);
  return matmul(transpose(factor), factor);
}

}  // namespace tsr
