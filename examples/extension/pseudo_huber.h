#pragma once
#include "tensor/tensor.h"

/// √(1 + x²) - 1: half the square near 0, the absolute value far from it (Charbonnier et al., "Deterministic
/// edge-preserving regularization in computed imaging", IEEE Trans. Image Processing 1997).
tsr::Tensor pseudo_huber(const tsr::Tensor& x);
