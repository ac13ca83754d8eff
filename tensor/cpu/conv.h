// Convolution of NHWC images as an implicit matrix product: patches are packed straight from the image.
#pragma once

#include <cstdint>

#include "tensor/cpu/gemm.h"

namespace tsr::cpu {

/// Shapes of a convolution: x [batch, in_h, in_w, in_c], weight [out_c, kernel_h, kernel_w, in_c / groups],
/// y [batch, out_h, out_w, out_c], all dense.
struct Conv2dGeometry {
  std::int64_t batch, in_h, in_w, in_c, out_c, kernel_h, kernel_w;
  std::int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1, groups = 1;

  std::int64_t out_h() const { return (in_h + 2 * pad_h - dilation_h * (kernel_h - 1) - 1) / stride_h + 1; }
  std::int64_t out_w() const { return (in_w + 2 * pad_w - dilation_w * (kernel_w - 1) - 1) / stride_w + 1; }
  /// Throws Error unless sizes, strides and dilations are positive, the kernel fits the padded image and
  /// groups divides both channel counts.
  void check() const;
};

/// y = x ⋆ weight. The epilogue sees blocks of y: tile.row is the block's first row in an order of our own,
/// so use tile.place and tile.places to find the same place in a tensor of y's shape, and tile.col for the
/// channel. In 16-bit tensors products are summed in float32 and rounded once, and so below.
template <class S>
void conv2d_forward(const Conv2dGeometry& geometry, const S* x, const S* weight, S* y,
                    const Epilogue<Compute<S>>& epilogue = {});

/// grad_x from grad_y: the transposed convolution, one product for each class of pixels modulo the stride, so
/// that no tap falls between two outputs.
template <class S>
void conv2d_grad_input(const Conv2dGeometry& geometry, const S* grad_y, const S* weight, S* grad_x);

/// grad_weight from grad_y and x, summed over batch and pixels in an order fixed by the shapes.
template <class S>
void conv2d_grad_weight(const Conv2dGeometry& geometry, const S* grad_y, const S* x, S* grad_weight);

}  // namespace tsr::cpu
