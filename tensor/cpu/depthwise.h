// Depthwise convolution: every output channel reads one input channel, straight from the images.
#pragma once

#include "tensor/cpu/conv.h"

namespace tsr::cpu {

/// Whether the functions below take this convolution, and are faster than a product for each group: groups of
/// one input channel, with enough of them for vectors to run over.
bool is_depthwise(const Conv2dGeometry& geometry);

/// As conv2d_forward, conv2d_grad_input and conv2d_grad_weight. The epilogue sees rows of pixels. 16-bit
/// tensors are widened as a whole.
template <class S>
void depthwise_forward(const Conv2dGeometry& geometry, const S* x, const S* weight, S* y,
                       const Epilogue<Compute<S>>& epilogue);
template <class S>
void depthwise_grad_input(const Conv2dGeometry& geometry, const S* grad_y, const S* weight, S* grad_x);
template <class S>
void depthwise_grad_weight(const Conv2dGeometry& geometry, const S* grad_y, const S* x, S* grad_weight);

}  // namespace tsr::cpu
