#pragma once
// Cholesky factorisation, for preconditioning.

#include <vector>

#include "tensor/tensor.h"

namespace tsr {

/// A = L·Lᵀ of a symmetric positive definite matrix.
class Cholesky {
 public:
  /// matrix float64 [n, n], of which the lower triangle counts. Throws Error when it is not positive
  /// definite.
  explicit Cholesky(const Tensor& matrix);
  /// Solves A·X = B in place: b row-major [n, columns].
  void solve(double* b, std::int64_t columns) const;

 private:
  Tensor factor_;  // the lower triangle is L; what is above it means nothing
};

}  // namespace tsr
