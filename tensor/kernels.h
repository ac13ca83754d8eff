#pragma once
// Every kernel slot, with its contract. A backend fills the slots (tensor/cpu/, cuda/kernels/); the ops of
// autograd/ops/ call them. Search for an op's name to see all of it.
//
// Strides that a slot takes:   any    any strides, zero ones included
//                              rows   the last axis is dense, the others any
//                              dense  row-major without gaps
// Kernels write their outputs and allocate nothing but Context::workspace. Shapes are checked by the op.
//
// A slot whose signature marks its results as `Out` has bfloat16 and float16 through its kernel for float32,
// a Pointwise one without a float32 copy of a whole tensor (tensor/kernel.h). Where the first view is of low
// precision the others may be float32: statistics and parameters of a norm are.

#include <cstdint>

#include "tensor/kernel.h"

namespace tsr {

// ---- copy, fill, random: shapes of any rank ----
/// y = x, broadcasting x (any) to y (any) and converting the dtype. Slot of x's dtype.
inline Kernel<void(Context&, View x, View y)> copy_fwd{"copy_fwd"};
/// y (any) = value.
inline Kernel<void(Context&, View y, double value)> fill_fwd{"fill_fwd"};
/// y (dense): element i from Philox counter i/4, lane i%4, of draw `draw` of key `seed`; uniform in [low,
/// high).
inline Kernel<void(Context&, View y, std::uint64_t seed, std::uint64_t draw, double low, double high)>
    uniform_fwd{"uniform_fwd"};
/// y (dense): normal by Box–Muller on the lanes (0, 1) and (2, 3) of each counter.
inline Kernel<void(Context&, View y, std::uint64_t seed, std::uint64_t draw, double mean, double std)>
    normal_fwd{"normal_fwd"};

// ---- pointwise: x, a, b any, broadcast to y's shape by the op; y dense ----
using UnaryKernel = Kernel<void(Context&, View x, Out y)>;
inline Pointwise<UnaryKernel> neg_fwd{"neg_fwd"}, exp_fwd{"exp_fwd"}, log_fwd{"log_fwd"},
    sqrt_fwd{"sqrt_fwd"}, abs_fwd{"abs_fwd"}, sign_fwd{"sign_fwd"}, relu_fwd{"relu_fwd"},
    sigmoid_fwd{"sigmoid_fwd"}, tanh_fwd{"tanh_fwd"};
using BinaryKernel = Kernel<void(Context&, View a, View b, Out y)>;
inline Pointwise<BinaryKernel> add_fwd{"add_fwd"}, sub_fwd{"sub_fwd"}, mul_fwd{"mul_fwd"}, div_fwd{"div_fwd"},
    maximum_fwd{"maximum_fwd"}, minimum_fwd{"minimum_fwd"};
/// grad_x = y > 0 ? grad : 0, with y the output of relu.
inline Pointwise<BinaryKernel> relu_bwd{"relu_bwd"};
/// y (bool) = a ∘ b.
inline Pointwise<BinaryKernel> eq_fwd{"eq_fwd"}, lt_fwd{"lt_fwd"}, le_fwd{"le_fwd"};
/// y = condition (bool) ? a : b.
inline Pointwise<Kernel<void(Context&, View a, View b, View condition, Out y)>> where_fwd{"where_fwd"};

// ---- reductions: x any; y dense, of x's rank, with size 1 along the reduced axes ----
inline UnaryKernel sum_fwd{"sum_fwd"}, max_fwd{"max_fwd"};

// ---- along the last axis: x rows [..., n] ----
/// y dense [..., n]. A row of -inf alone gives NaN.
inline UnaryKernel softmax_fwd{"softmax_fwd"}, log_softmax_fwd{"log_softmax_fwd"};
/// y dense [...]: log Σ exp x.
inline UnaryKernel logsumexp_fwd{"logsumexp_fwd"};
/// index (int64, dense [...]): the first position of the largest value.
inline UnaryKernel argmax_fwd{"argmax_fwd"};
/// y dense [..., n] = x / norm, norm dense [...] = max(‖x‖₂, epsilon).
inline Kernel<void(Context&, View x, Out y, Out norm, double epsilon)> l2_normalize_fwd{"l2_normalize_fwd"};
/// logits rows [m, n], labels int64 dense [m]; loss dense [m] = logsumexp - logits[label]; lse dense [m].
inline Kernel<void(Context&, View logits, View labels, Out loss, Out lse)> cross_entropy_fwd{
    "cross_entropy_fwd"};
/// The k largest of each row, falling, ties by rising index: values and indices (int64) dense [..., k].
inline Kernel<void(Context&, View x, Out values, Out indices)> topk_fwd{"topk_fwd"};

// ---- indexing: index int64 dense, checked by the op ----
/// y (dense) [outer, index, inner] = x (dense) [outer, index[j], inner].
inline Kernel<void(Context&, View x, View index, View y)> index_select_fwd{"index_select_fwd"};
/// y (dense, zeroed here) [outer, index[j], inner] += grad (dense) [outer, j, inner], j rising.
inline Kernel<void(Context&, View grad, View index, Out y)> index_add_fwd{"index_add_fwd"};
/// y (dense) [outer, j, inner] = x (dense) [outer, index[outer, j, inner], inner].
inline Kernel<void(Context&, View x, View index, View y)> gather_fwd{"gather_fwd"};
/// y (dense, zeroed here) [outer, index[outer, j, inner], inner] += grad (dense) [outer, j, inner], j rising.
inline Kernel<void(Context&, View grad, View index, Out y)> scatter_add_fwd{"scatter_add_fwd"};

// ---- matrix product and convolution ----
/// y (dense) [..., m, n] = a (any) [..., m, k] · b (any) [..., k, n]; equal leading axes (stride 0
/// broadcasts).
inline Kernel<void(Context&, View a, View b, View y)> matmul_fwd{"matmul_fwd"};
/// y (dense) [m, n] = x (any) [m, k] · weightᵀ + bias: weight any [n, k], bias dense [n] or absent.
inline Kernel<void(Context&, View x, View weight, View bias, View y)> linear_fwd{"linear_fwd"};

/// Convolution without its tensors. Images NHWC, weights [out, kernel_h, kernel_w, in / groups].
struct Conv2dParams {
  int stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1, groups = 1;
};
/// What a convolution does to a tile before it leaves the cache: y = act(conv + bias + residual). A view
/// without data is absent.
struct Conv2dEpilogue {
  View bias;      ///< dense [out]
  View residual;  ///< dense, of y's shape
  bool relu = false;
};
/// x, weight, y dense.
inline Kernel<void(Context&, View x, View weight, View y, const Conv2dParams&, const Conv2dEpilogue&)>
    conv2d_fwd{"conv2d_fwd"};
/// grad (of y), weight, grad_x dense.
inline Kernel<void(Context&, View grad, View weight, View grad_x, const Conv2dParams&)> conv2d_bwd_input{
    "conv2d_bwd_input"};
/// grad (of y), x, grad_weight dense.
inline Kernel<void(Context&, View grad, View x, View grad_weight, const Conv2dParams&)> conv2d_bwd_weight{
    "conv2d_bwd_weight"};

// ---- batch norm: x dense [rows…, channels]; statistics dense [channels] ----
/// mean and biased variance over the rows, as Σ and Σ of squared deviations from the chunk's mean, merged in
/// a fixed order (Chan et al. 1979).
inline Kernel<void(Context&, View x, Out mean, Out variance)> batch_norm_stats{"batch_norm_stats"};
/// y = act((x - mean)·inv_std·weight + bias + residual); residual (dense like x) may be absent.
inline Kernel<void(Context&, View x, View mean, View inv_std, View weight, View bias, View residual, Out y,
                   bool relu)>
    batch_norm_fwd{"batch_norm_fwd"};
/// With g = relu ? (y > 0 ? grad : 0) : grad:   sum_g = Σ g,   sum_gx = Σ g·(x - mean)·inv_std.
/// y may be absent unless relu.
inline Kernel<void(Context&, View grad, View x, View y, View mean, View inv_std, Out sum_g, Out sum_gx,
                   bool relu)>
    batch_norm_bwd_stats{"batch_norm_bwd_stats"};
/// grad_x = weight·inv_std·(g - sum_g/count - x̂·sum_gx/count); grad_residual (may be absent) = g.
inline Kernel<void(Context&, View grad, View x, View y, View mean, View inv_std, View weight, View sum_g,
                   View sum_gx, double count, Out grad_x, Out grad_residual, bool relu)>
    batch_norm_bwd{"batch_norm_bwd"};

// ---- pooling: x dense NHWC ----
struct Pool2dParams {
  int kernel_h = 2, kernel_w = 2, stride_h = 2, stride_w = 2, pad_h = 0, pad_w = 0;
};
/// y dense; index (int32, dense like y): position ih·in_w + iw of the maximum. Padding is -inf.
inline Kernel<void(Context&, View x, Out y, Out index, const Pool2dParams&)> max_pool2d_fwd{"max_pool2d_fwd"};
inline Kernel<void(Context&, View grad, View index, Out grad_x, const Pool2dParams&)> max_pool2d_bwd{
    "max_pool2d_bwd"};
/// Mean over the kernel, padding counted as zeros (PyTorch's count_include_pad).
inline Kernel<void(Context&, View x, Out y, const Pool2dParams&)> avg_pool2d_fwd{"avg_pool2d_fwd"};
inline Kernel<void(Context&, View grad, Out grad_x, const Pool2dParams&)> avg_pool2d_bwd{"avg_pool2d_bwd"};

// ---- optimisers: all dense, of one shape; param and buffers are updated in place ----
/// buffer = momentum·buffer + scale·(grad + weight_decay·param), or just the second term when buffer is
/// absent; param -= learning_rate·buffer, or with nesterov learning_rate·(scale·(grad + weight_decay·param) +
/// momentum·buffer).
struct SgdParams {
  double learning_rate = 0, momentum = 0, weight_decay = 0, scale = 1;
  bool nesterov = false;
};
inline Kernel<void(Context&, View param, View grad, View buffer, const SgdParams&)> sgd_step{"sgd_step"};

}  // namespace tsr
