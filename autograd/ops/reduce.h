#pragma once
// Axes of a reduction.

#include "autograd/op.h"

namespace tsr {

/// x's shape with the axes (all when empty) at size 1; throws Error naming `op` for a wrong or repeated axis.
Shape kept_shape(const char* op, const Tensor& x, const Shape& axes);
/// The same without those axes.
Shape dropped_shape(const Tensor& x, const Shape& axes);
/// How many elements of x make up one of the result.
std::int64_t reduced_count(const Tensor& x, const Shape& kept);

/// x as [kept axes…, everything that is reduced], and back; differentiable.
Tensor as_rows(const Tensor& x, const Shape& axes);
Tensor from_rows(const Tensor& rows, const Shape& shape, const Shape& axes);

}  // namespace tsr
