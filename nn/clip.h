#pragma once
// Gradient clipping. Norms are summed in a fixed order, so they are the same at any thread count.

#include <vector>

#include "nn/module.h"

namespace tsr {

/// ‖grads‖₂ over all parameters together; one without a gradient counts nothing.
double gradient_norm(const std::vector<NamedTensor>& parameters);

/// Scales all gradients by min(1, max_norm / (norm + 1e-6)), norm being gradient_norm(), which is returned:
/// PyTorch's clip_grad_norm_. A norm that isn't finite leaves the gradients as they are.
double clip_gradient_norm(const std::vector<NamedTensor>& parameters, double max_norm);

/// The same for each parameter by its own norm, as DINO's clip_gradients. Returns gradient_norm() before.
double clip_each_gradient_norm(const std::vector<NamedTensor>& parameters, double max_norm);

}  // namespace tsr
