#pragma once
// Gradients against finite differences.

#include <functional>
#include <string>

#include "tensor/tensor.h"

namespace tsr {

struct GradcheckOptions {
  double step = 1e-6;       ///< of the central difference
  double tolerance = 1e-6;  ///< on |analytic - numeric|, relative to max(1, |numeric|)
  bool second = false;      ///< check the gradient of the gradient instead
};

/// Compares the gradients of f (float64 inputs to one output) with central differences, element by element,
/// under a fixed random weighting of the outputs. Inputs that aren't floating are left alone. Returns "" when
/// they agree, else a line that names the input, the element and both numbers.
std::string gradcheck(const std::function<Tensor(const Tensors&)>& f, const Tensors& inputs,
                      const GradcheckOptions& options = {});

}  // namespace tsr
