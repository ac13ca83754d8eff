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
#include <span>

#include "tensor/kernel.h"

namespace tsr {

// ---- copy, fill, random: shapes of any rank ----
/// y = x, broadcasting x (any, negative strides as well) to y (any) and converting the dtype. Slot of x's
/// dtype.
inline Kernel<void(Context&, View x, View y)> copy_fwd{"copy_fwd"_slot};
/// y (any) = value.
inline Kernel<void(Context&, View y, double value)> fill_fwd{"fill_fwd"_slot};
/// y (dense): element i from Philox counter i/4, lane i%4, of draw `draw` of key `seed`; uniform in [low,
/// high).
inline Kernel<void(Context&, View y, std::uint64_t seed, std::uint64_t draw, double low, double high)>
    uniform_fwd{"uniform_fwd"_slot};
/// y (dense): normal by Box–Muller on the lanes (0, 1) and (2, 3) of each counter.
inline Kernel<void(Context&, View y, std::uint64_t seed, std::uint64_t draw, double mean, double std)>
    normal_fwd{"normal_fwd"_slot};
/// x, y dense: y[i] = x[i] / (1 - p) where word i (lanes as above) is at least p·2^32, else 0.
inline Kernel<void(Context&, View x, Out y, std::uint64_t seed, std::uint64_t draw, double p)> dropout_fwd{
    "dropout_fwd"_slot};

// ---- pointwise: x, a, b any, broadcast to y's shape by the op; y dense ----
using UnaryKernel = Kernel<void(Context&, View x, Out y)>;
inline Pointwise<UnaryKernel> neg_fwd{"neg_fwd"_slot}, exp_fwd{"exp_fwd"_slot}, log_fwd{"log_fwd"_slot},
    sqrt_fwd{"sqrt_fwd"_slot}, abs_fwd{"abs_fwd"_slot}, sign_fwd{"sign_fwd"_slot}, relu_fwd{"relu_fwd"_slot},
    sigmoid_fwd{"sigmoid_fwd"_slot}, tanh_fwd{"tanh_fwd"_slot};
inline Pointwise<UnaryKernel> square_fwd{"square_fwd"_slot}, rsqrt_fwd{"rsqrt_fwd"_slot},
    reciprocal_fwd{"reciprocal_fwd"_slot}, floor_fwd{"floor_fwd"_slot}, ceil_fwd{"ceil_fwd"_slot},
    trunc_fwd{"trunc_fwd"_slot};
/// Halves go to the even neighbour.
inline Pointwise<UnaryKernel> round_fwd{"round_fwd"_slot};
inline Pointwise<UnaryKernel> exp2_fwd{"exp2_fwd"_slot}, expm1_fwd{"expm1_fwd"_slot},
    log2_fwd{"log2_fwd"_slot}, log10_fwd{"log10_fwd"_slot}, log1p_fwd{"log1p_fwd"_slot};
inline Pointwise<UnaryKernel> sin_fwd{"sin_fwd"_slot}, cos_fwd{"cos_fwd"_slot}, tan_fwd{"tan_fwd"_slot},
    asin_fwd{"asin_fwd"_slot}, acos_fwd{"acos_fwd"_slot}, atan_fwd{"atan_fwd"_slot},
    sinh_fwd{"sinh_fwd"_slot}, cosh_fwd{"cosh_fwd"_slot};
inline Pointwise<UnaryKernel> erf_fwd{"erf_fwd"_slot}, erfc_fwd{"erfc_fwd"_slot};
/// gelu by the error function, and in the tanh form; softplus = log(1 + exp x).
inline Pointwise<UnaryKernel> gelu_fwd{"gelu_fwd"_slot}, gelu_tanh_fwd{"gelu_tanh_fwd"_slot},
    silu_fwd{"silu_fwd"_slot}, softplus_fwd{"softplus_fwd"_slot};
/// With a number: the slope below 0; the scale of expm1 below 0; the exponent.
using ScalarKernel = Kernel<void(Context&, View x, Out y, double number)>;
inline Pointwise<ScalarKernel> leaky_relu_fwd{"leaky_relu_fwd"_slot}, elu_fwd{"elu_fwd"_slot},
    pow_scalar_fwd{"pow_scalar_fwd"_slot};
/// y = x moved into [low, high]; NaN stays.
inline Pointwise<Kernel<void(Context&, View x, Out y, double low, double high)>> clamp_fwd{"clamp_fwd"_slot};
using BinaryKernel = Kernel<void(Context&, View a, View b, Out y)>;
inline Pointwise<BinaryKernel> add_fwd{"add_fwd"_slot}, sub_fwd{"sub_fwd"_slot}, mul_fwd{"mul_fwd"_slot},
    div_fwd{"div_fwd"_slot}, maximum_fwd{"maximum_fwd"_slot}, minimum_fwd{"minimum_fwd"_slot};
inline Pointwise<BinaryKernel> pow_fwd{"pow_fwd"_slot}, atan2_fwd{"atan2_fwd"_slot};
/// a - b·q with q = a / b rounded towards zero (fmod), or down (remainder).
inline Pointwise<BinaryKernel> fmod_fwd{"fmod_fwd"_slot}, remainder_fwd{"remainder_fwd"_slot};
/// grad_x = y > 0 ? grad : 0, with y the output of relu.
inline Pointwise<BinaryKernel> relu_bwd{"relu_bwd"_slot};
/// grad_x from grad and the output.
inline Pointwise<BinaryKernel> sigmoid_bwd{"sigmoid_bwd"_slot}, tanh_bwd{"tanh_bwd"_slot};
/// grad_x from grad and the input.
inline Pointwise<BinaryKernel> gelu_bwd{"gelu_bwd"_slot}, gelu_tanh_bwd{"gelu_tanh_bwd"_slot},
    silu_bwd{"silu_bwd"_slot};
/// y (bool) = a ∘ b.
inline Pointwise<BinaryKernel> eq_fwd{"eq_fwd"_slot}, lt_fwd{"lt_fwd"_slot}, le_fwd{"le_fwd"_slot};
/// bool on bool.
inline Pointwise<BinaryKernel> logical_and_fwd{"logical_and_fwd"_slot}, logical_or_fwd{"logical_or_fwd"_slot},
    logical_xor_fwd{"logical_xor_fwd"_slot};
inline Pointwise<UnaryKernel> logical_not_fwd{"logical_not_fwd"_slot};
/// y = condition (bool) ? a : b.
inline Pointwise<Kernel<void(Context&, View a, View b, View condition, Out y)>> where_fwd{"where_fwd"_slot};

// ---- reductions: x any; y dense, of x's rank, with size 1 along the reduced axes ----
/// sum and prod of integers and bools: y is int64. NaN wins in max and min.
inline UnaryKernel sum_fwd{"sum_fwd"_slot}, max_fwd{"max_fwd"_slot}, min_fwd{"min_fwd"_slot},
    prod_fwd{"prod_fwd"_slot};
/// y = √Σx².
inline UnaryKernel norm_fwd{"norm_fwd"_slot};
/// bool to bool.
inline UnaryKernel any_fwd{"any_fwd"_slot}, all_fwd{"all_fwd"_slot};
/// index (int64) for y: the first position of the largest (smallest) value along the one axis that is
/// reduced. NaN counts as larger (smaller) than any number.
inline UnaryKernel argmax_fwd{"argmax_fwd"_slot}, argmin_fwd{"argmin_fwd"_slot};

// ---- scans: x, y dense [outer, n, inner] ----
/// y[:, i] = Σ x[:, j] over j ≤ i, or over j ≥ i.
inline Kernel<void(Context&, View x, Out y, bool reverse)> cumsum_fwd{"cumsum_fwd"_slot};

// ---- along the last axis: x rows [..., n] ----
/// y dense [..., n]. A row of -inf alone gives NaN.
inline UnaryKernel softmax_fwd{"softmax_fwd"_slot}, log_softmax_fwd{"log_softmax_fwd"_slot};
/// y dense [...]: log Σ exp x.
inline UnaryKernel logsumexp_fwd{"logsumexp_fwd"_slot};
/// y dense [..., n] = x / norm, norm dense [...] = max(‖x‖₂, epsilon).
inline Kernel<void(Context&, View x, Out y, Out norm, double epsilon)> l2_normalize_fwd{
    "l2_normalize_fwd"_slot};
struct CrossEntropyParams {
  double smoothing = 0;         ///< share s of the target that is spread over all classes
  std::int64_t ignored = -100;  ///< the label of rows without a loss
};
/// logits rows [m, n], labels int64 dense [m], class_weight w dense [n] or absent (all 1). With the target
/// t_c = (1 - s)·w_label·[c = label] + s·w_c/n:   loss dense [m] = Σ t_c·(top + log_sum - logits_c), with
/// top the row's largest logit and log_sum = log Σ exp(logits - top), dense [m]; all 0 for an ignored row.
inline Kernel<void(Context&, View logits, View labels, View class_weight, Out loss, Out top, Out log_sum,
                   const CrossEntropyParams&)>
    cross_entropy_fwd{"cross_entropy_fwd"_slot};
/// grad (of loss) dense [m]; grad_logits dense [m, n] = grad·(Σ t·softmax(logits)_c - t_c).
inline Kernel<void(Context&, View grad, View logits, View labels, View class_weight, View top, View log_sum,
                   Out grad_logits, const CrossEntropyParams&)>
    cross_entropy_bwd{"cross_entropy_bwd"_slot};
/// The k largest (or smallest) of each row, best first, ties by rising index: values and indices (int64)
/// dense [..., k]. NaN counts as larger than any number.
inline Kernel<void(Context&, View x, Out values, Out indices, bool largest)> topk_fwd{"topk_fwd"_slot};
/// Each row in order, ties by rising index: values and indices (int64) dense [..., n]. NaN as above.
inline Kernel<void(Context&, View x, Out values, Out indices, bool descending)> sort_fwd{"sort_fwd"_slot};

// ---- indexing: index int64 dense, checked by the op ----
/// y (dense) [outer, index, inner] = x (dense) [outer, index[j], inner].
inline Kernel<void(Context&, View x, View index, View y)> index_select_fwd{"index_select_fwd"_slot};
/// y (dense, zeroed here) [outer, index[j], inner] += grad (dense) [outer, j, inner], j rising.
inline Kernel<void(Context&, View grad, View index, Out y)> index_add_fwd{"index_add_fwd"_slot};
/// y (dense) [outer, j, inner] = x (dense) [outer, index[outer, j, inner], inner].
inline Kernel<void(Context&, View x, View index, View y)> gather_fwd{"gather_fwd"_slot};
/// y (dense, zeroed here) [outer, index[outer, j, inner], inner] += grad (dense) [outer, j, inner], j rising.
inline Kernel<void(Context&, View grad, View index, Out y)> scatter_add_fwd{"scatter_add_fwd"_slot};

// ---- matrix product and convolution ----
/// y (dense) [..., m, n] = a (any) [..., m, k] · b (any) [..., k, n]; equal leading axes (stride 0
/// broadcasts).
inline Kernel<void(Context&, View a, View b, View y)> matmul_fwd{"matmul_fwd"_slot};
/// y (dense) [m, n] = x (any) [m, k] · weightᵀ + bias: weight any [n, k], bias dense [n] or absent.
inline Kernel<void(Context&, View x, View weight, View bias, View y)> linear_fwd{"linear_fwd"_slot};

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
    conv2d_fwd{"conv2d_fwd"_slot};
/// grad (of y), weight, grad_x dense.
inline Kernel<void(Context&, View grad, View weight, View grad_x, const Conv2dParams&)> conv2d_bwd_input{
    "conv2d_bwd_input"_slot};
/// grad (of y), x, grad_weight dense.
inline Kernel<void(Context&, View grad, View x, View grad_weight, const Conv2dParams&)> conv2d_bwd_weight{
    "conv2d_bwd_weight"_slot};

// ---- attention: q, y rows [batch, heads, n, d]; k, v rows [batch, heads, m, d] ----
struct AttentionParams {
  double scale = 1;
  bool causal = false;  ///< query i sees the keys 0 … i + m - n alone
  double dropout = 0;   ///< weights are 0 with this probability, else divided by 1 - dropout: that of pair
                        ///< (i, j) by word ((batch·heads + head)·n + i)·m + j of draw `draw` of key `seed`
  std::uint64_t seed = 0, draw = 0;
};
/// With S = scale·q·kᵀ + bias over the keys that a query sees: y = dropout(softmax(S))·v; top = max S and
/// log_sum = log Σ exp(S - top), dense [batch, heads, n]. bias any [batch, heads, n, m] or absent; key_mask
/// (bool, any [batch, m] or absent) is false for keys that nobody sees. For a query that sees no key y = 0,
/// top = -inf, log_sum = 0.
inline Kernel<void(Context&, View q, View k, View v, View bias, View key_mask, Out y, Out top, Out log_sum,
                   const AttentionParams&)>
    attention_fwd{"attention_fwd"_slot};
/// grad (of y) rows; y, top and log_sum the forward's; grad_q, grad_k, grad_v rows. grad_bias (the gradient
/// of S) dense [batch, heads, n, m] or absent.
inline Kernel<void(Context&, View grad, View q, View k, View v, View bias, View key_mask, View y, View top,
                   View log_sum, Out grad_q, Out grad_k, Out grad_v, Out grad_bias, const AttentionParams&)>
    attention_bwd{"attention_bwd"_slot};

// ---- batch norm: x dense [rows…, channels]; statistics dense [channels] ----
/// mean and biased variance over the rows, as Σ and Σ of squared deviations from the chunk's mean, merged in
/// a fixed order (Chan et al. 1979).
inline Kernel<void(Context&, View x, Out mean, Out variance)> batch_norm_stats{"batch_norm_stats"_slot};
/// y = act((x - mean)·inv_std·weight + bias + residual); residual (dense like x) may be absent.
inline Kernel<void(Context&, View x, View mean, View inv_std, View weight, View bias, View residual, Out y,
                   bool relu)>
    batch_norm_fwd{"batch_norm_fwd"_slot};
/// With g = relu ? (y > 0 ? grad : 0) : grad:   sum_g = Σ g,   sum_gx = Σ g·(x - mean)·inv_std.
/// y may be absent unless relu.
inline Kernel<void(Context&, View grad, View x, View y, View mean, View inv_std, Out sum_g, Out sum_gx,
                   bool relu)>
    batch_norm_bwd_stats{"batch_norm_bwd_stats"_slot};
/// grad_x = weight·inv_std·(g - sum_g/count - x̂·sum_gx/count); grad_residual (may be absent) = g.
inline Kernel<void(Context&, View grad, View x, View y, View mean, View inv_std, View weight, View sum_g,
                   View sum_gx, double count, Out grad_x, Out grad_residual, bool relu)>
    batch_norm_bwd{"batch_norm_bwd"_slot};

// ---- norms of each sample: all dense; weight and bias [n] or [channels] ----
/// x, y [rows, n]; y = (x - mean)·inv_std·weight + bias with mean and inv_std = 1/√(variance + ε) [rows];
/// without `centred` the mean is 0 and the variance is that of x around 0 (RMS norm).
inline Kernel<void(Context&, View x, View weight, View bias, Out y, Out mean, Out inv_std, double epsilon,
                   bool centred)>
    layer_norm_fwd{"layer_norm_fwd"_slot};
/// With x̂ = (x - mean)·inv_std, g = grad·weight: grad_x = inv_std·(g - avg(g)·[centred] - x̂·avg(g·x̂)),
/// grad_weight = Σ grad·x̂, grad_bias = Σ grad over the rows.
inline Kernel<void(Context&, View grad, View x, View mean, View inv_std, View weight, Out grad_x,
                   Out grad_weight, Out grad_bias, bool centred)>
    layer_norm_bwd{"layer_norm_bwd"_slot};
/// x, y [samples, places, channels]; mean, inv_std [samples, groups], over places and a group's channels.
inline Kernel<void(Context&, View x, View weight, View bias, Out y, Out mean, Out inv_std, double epsilon)>
    group_norm_fwd{"group_norm_fwd"_slot};
/// As layer_norm_bwd, averages over places and a group's channels.
inline Kernel<void(Context&, View grad, View x, View mean, View inv_std, View weight, Out grad_x,
                   Out grad_weight, Out grad_bias)>
    group_norm_bwd{"group_norm_bwd"_slot};

// ---- distances ----
/// a dense [batch, m, d], b dense [batch, n, d]; y dense [batch, m, n] = (Σ |a - b|^p)^(1/p), p from 1 to
/// infinity.
inline Kernel<void(Context&, View a, View b, Out y, double p)> cdist_fwd{"cdist_fwd"_slot};
/// grad, y any [batch, m, n]; grad_a dense like a. Where y is 0 the gradient is 0.
inline Kernel<void(Context&, View grad, View a, View b, View y, Out grad_a, double p)> cdist_bwd{
    "cdist_bwd"_slot};

// ---- pooling: x dense NHWC ----
/// Window o of an axis has the taps o·stride - pad + t·dilation, t below kernel. When `adaptive` is asked
/// for, o of n covers the positions from ⌊o·in/n⌋ up to ⌈(o+1)·in/n⌉ instead. Kernels take the number of
/// windows from y.
struct Pool2dParams {
  int kernel_h = 2, kernel_w = 2, stride_h = 2, stride_w = 2, pad_h = 0, pad_w = 0, dilation_h = 1,
      dilation_w = 1;
  bool ceil_mode = false;  ///< keep the last window even where the image's end cuts it off
  bool count_include_pad =
      true;  ///< averages count padding as zeros; what lies beyond the padding never counts
};
/// y dense; index (int32, dense like y): position ih·in_w + iw of the maximum. Padding is -inf.
inline Kernel<void(Context&, View x, Out y, Out index, const Pool2dParams&, bool adaptive)> max_pool2d_fwd{
    "max_pool2d_fwd"_slot};
inline Kernel<void(Context&, View grad, View index, Out grad_x, const Pool2dParams&, bool adaptive)>
    max_pool2d_bwd{"max_pool2d_bwd"_slot};
/// Mean over the window; dilation is 1.
inline Kernel<void(Context&, View x, Out y, const Pool2dParams&, bool adaptive)> avg_pool2d_fwd{
    "avg_pool2d_fwd"_slot};
inline Kernel<void(Context&, View grad, Out grad_x, const Pool2dParams&, bool adaptive)> avg_pool2d_bwd{
    "avg_pool2d_bwd"_slot};

// ---- resampling: x dense NHWC ----
/// A sparse matrix [outputs, inputs] by its rows: output o is the sum over t in start[o] … start[o+1]-1 of
/// weight[t] times input source[t]. start and source int32 dense, weight dense, in x's compute_dtype.
struct ResampleAxis {
  View start, source, weight;
};
/// y (dense) [n, h, w, c] = rows[h, ·] · columns[w, ·] · x.
inline Kernel<void(Context&, View x, Out y, const ResampleAxis& rows, const ResampleAxis& columns)>
    resample_fwd{"resample_fwd"_slot};

enum class Interpolation : std::uint8_t { nearest, bilinear, bicubic };
/// What lies outside an image: zeros, the nearest border pixel, or the image mirrored at its borders.
enum class SamplePadding : std::uint8_t { zeros, border, reflection };
struct GridSampleParams {
  Interpolation mode = Interpolation::bilinear;
  SamplePadding padding = SamplePadding::zeros;
  bool align_corners = false;  ///< whether ±1 are the centres of the outermost pixels or their outer edges
};
/// y (dense) [n, oh, ow, c] = x at grid (dense) [n, oh, ow, 2], whose pairs are (x, y) in -1 … 1.
inline Kernel<void(Context&, View x, View grid, Out y, const GridSampleParams&)> grid_sample_fwd{
    "grid_sample_fwd"_slot};
/// grad_x and grad_grid dense; one of them may be absent.
inline Kernel<void(Context&, View grad, View x, View grid, Out grad_x, Out grad_grid,
                   const GridSampleParams&)>
    grid_sample_bwd{"grid_sample_bwd"_slot};

// ---- optimisers: one call serves a list of tensors ----
/// An item's views are dense and of one shape; param (target) and buffers are updated in place. `first` is
/// the first item's param, which picks the kernel: all items have its dtype, and no two share memory.
template <class Item>
using ListKernel = Kernel<void(Context&, View first, std::span<const Item> items)>;

/// buffer = momentum·buffer + scale·(grad + weight_decay·param), or just the second term when buffer is
/// absent; param -= learning_rate·buffer, or with nesterov learning_rate·(scale·(grad + weight_decay·param) +
/// momentum·buffer).
struct SgdParams {
  double learning_rate = 0, momentum = 0, weight_decay = 0, scale = 1;
  bool nesterov = false;
};
struct SgdItem {
  View param, grad, buffer;
  SgdParams params;
  std::int64_t count() const { return param.numel(); }
};
inline ListKernel<SgdItem> sgd_step{"sgd_step"_slot};
/// With a = trust·‖param‖ / (‖grad‖ + weight_decay·‖param‖), or 1 where a norm is 0 or without `adapt`:
/// buffer = momentum·buffer + learning_rate·a·(grad + weight_decay·param); param -= buffer.
struct LarsParams {
  double learning_rate = 0, momentum = 0, weight_decay = 0, trust = 0;
  bool adapt = true;
};
struct LarsItem {
  View param, grad, buffer;
  LarsParams params;
  std::int64_t count() const { return param.numel(); }
};
inline ListKernel<LarsItem> lars_step{"lars_step"_slot};
/// g = grad + weight_decay·param;   exp_avg += (1 - beta1)·(g - exp_avg);   exp_avg_sq = beta2·exp_avg_sq +
/// (1 - beta2)·g²;   param = keep·param - rate·exp_avg / (√exp_avg_sq / root + epsilon).
struct AdamParams {
  double beta1 = 0, beta2 = 0, epsilon = 0;
  double rate = 0;          ///< the learning rate over 1 - beta1ᵗ
  double root = 1;          ///< √(1 - beta2ᵗ)
  double weight_decay = 0;  ///< Adam's: it enters the moments
  double keep = 1;          ///< AdamW's decay: 1 - learning rate · weight decay
};
struct AdamItem {
  View param, grad, exp_avg, exp_avg_sq;
  AdamParams params;
  std::int64_t count() const { return param.numel(); }
};
inline ListKernel<AdamItem> adam_step{"adam_step"_slot};
/// target = momentum·target + (1 - momentum)·source.
struct EmaItem {
  View target, source;
  double momentum = 0;
  std::int64_t count() const { return target.numel(); }
};
inline ListKernel<EmaItem> ema_step{"ema_step"_slot};

}  // namespace tsr
