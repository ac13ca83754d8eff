#pragma once
// What losses have in common.

#include "autograd/ops.h"

namespace tsr {

/// A loss of each element or row brought to what was asked for. Throws Error naming `op` for the mean of
/// nothing.
Tensor reduced(const char* op, const Tensor& loss, Reduction reduction);

}  // namespace tsr
