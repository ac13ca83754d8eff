#pragma once
// The inverse of a symmetric positive definite matrix, for preconditioning.

#include "tensor/tensor.h"

namespace tsr {

/// matrix float64 [n, n], of which the lower triangle counts → its inverse, as KᵀK with K the inverse of the
/// Cholesky factor. Throws Error when the matrix is not positive definite.
Tensor spd_inverse(const Tensor& matrix);

}  // namespace tsr
