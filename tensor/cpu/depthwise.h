// Depthwise convolution: every output channel reads one input channel, straight from the images.
#pragma once

#include "tensor/cpu/conv.h"

namespace tsr::cpu {

/// Whether the functions below take this convolution, and are faster than a product for each group: groups of
/// one input channel, with enough of them for vectors to run over. There are none for 16-bit tensors.
bool is_depthwise(const Conv2dGeometry& geometry);

/// As conv2d_forward, conv2d_grad_input and conv2d_grad_weight. The epilogue sees rows of pixels.
template <class T>
void depthwise_forward(const Conv2dGeometry& geometry, const T* x, const T* weight, T* y,
                       const Epilogue<T>& epilogue);
template <class T>
void depthwise_grad_input(const Conv2dGeometry& geometry, const T* grad_y, const T* weight, T* grad_x);
template <class T>
void depthwise_grad_weight(const Conv2dGeometry& geometry, const T* grad_y, const T* x, T* grad_weight);

}  // namespace tsr::cpu
