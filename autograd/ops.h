#pragma once
// The public op API: mathematics as free functions on tensors, each differentiable unless it says otherwise.
//
// Shapes broadcast as in NumPy where two operands meet. Negative axes count from the end. Every op throws
// Error (op, operands, rule, way out) when shapes, dtypes or devices don't fit.

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "autograd/tape.h"
#include "tensor/kernels.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace tsr {

// ---- arithmetic (autograd/ops/arithmetic.cpp): on int64 and int32 as well, but for div and what rounds ----
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
/// Elementwise larger (smaller) value; where equal, both operands get half of the gradient.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
Tensor neg(const Tensor& x);
/// |x|; the gradient at 0 is 0.
Tensor abs(const Tensor& x);
/// -1, 0 or 1; its gradient is zero.
Tensor sign(const Tensor& x);
/// Down, up, to the nearest (halves to the even neighbour), towards zero; their gradients are zero.
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);
Tensor trunc(const Tensor& x);
/// What is left of a / b rounded towards zero: a's sign, as C's fmod.
Tensor fmod(const Tensor& a, const Tensor& b);
/// What is left of a / b rounded down: b's sign, as Python's %.
Tensor remainder(const Tensor& a, const Tensor& b);
/// x moved into [low, high]; either bound may be left out. The gradient passes between them, not on them.
Tensor clamp(const Tensor& x, std::optional<double> low, std::optional<double> high = {});
/// x in another dtype (x itself when it has that); the gradient comes back in x's.
Tensor cast(const Tensor& x, DType dtype);
/// A number as a tensor of x's dtype and device; throws Error when that is an integer type that can't hold
/// it.
Tensor scalar_like(double value, const Tensor& x);

// ---- powers (autograd/ops/power.cpp) ----
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
/// 1 / √x.
Tensor rsqrt(const Tensor& x);
/// 1 / x.
Tensor reciprocal(const Tensor& x);
/// a^b as C's pow: x^0 is 1 for all x, and a negative base takes whole exponents only (else NaN). Where a
/// is 0, the gradients that would be infinite or NaN for b ≥ 0 (both at 0^0, b's everywhere) are 0.
Tensor pow(const Tensor& a, const Tensor& b);
Tensor pow(const Tensor& x, double exponent);

// ---- functions (autograd/ops/functions.cpp) ----
Tensor exp(const Tensor& x);
/// 2^x.
Tensor exp2(const Tensor& x);
/// exp(x) - 1, accurate near 0.
Tensor expm1(const Tensor& x);
/// Natural logarithm.
Tensor log(const Tensor& x);
Tensor log2(const Tensor& x);
Tensor log10(const Tensor& x);
/// log(1 + x), accurate near 0.
Tensor log1p(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tan(const Tensor& x);
Tensor asin(const Tensor& x);
Tensor acos(const Tensor& x);
Tensor atan(const Tensor& x);
/// The angle of the point (x, y), in (-π, π]; the gradient at the origin is 0.
Tensor atan2(const Tensor& y, const Tensor& x);
Tensor sinh(const Tensor& x);
Tensor cosh(const Tensor& x);
Tensor tanh(const Tensor& x);
/// 2/√π ∫₀ˣ exp(-t²) dt, and 1 minus it.
Tensor erf(const Tensor& x);
Tensor erfc(const Tensor& x);

// ---- activations (autograd/ops/activation.cpp) ----
/// max(x, 0); the gradient at 0 is 0.
Tensor relu(const Tensor& x);
/// 1 / (1 + exp(-x)).
Tensor sigmoid(const Tensor& x);
/// log sigmoid(x).
Tensor logsigmoid(const Tensor& x);
/// x above 0, slope·x below.
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
/// x above 0, alpha·(exp(x) - 1) below. (Clevert et al. 2016.)
Tensor elu(const Tensor& x, double alpha = 1);
/// elu with the constants that keep mean 0 and variance 1. (Klambauer et al. 2017.)
Tensor selu(const Tensor& x);
/// x·Φ(x), with Φ the normal distribution's; tanh: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
/// (Hendrycks & Gimpel 2016.)
enum class GeluForm { erf, tanh };
Tensor gelu(const Tensor& x, GeluForm form = GeluForm::erf);
/// x·sigmoid(x), also called swish.
Tensor silu(const Tensor& x);
/// log(1 + exp(beta·x)) / beta.
Tensor softplus(const Tensor& x, double beta = 1);
/// x·tanh(softplus(x)). (Misra 2019.)
Tensor mish(const Tensor& x);
/// clamp with both bounds.
Tensor hardtanh(const Tensor& x, double low = -1, double high = 1);
/// clamp(x, 0, 6).
Tensor relu6(const Tensor& x);
/// x·relu6(x + 3) / 6. (Howard et al. 2019.)
Tensor hardswish(const Tensor& x);

// ---- comparison and choice (autograd/ops/compare.cpp): comparisons give bool and no gradient ----
Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);
Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
/// Neither infinite nor NaN.
Tensor isfinite(const Tensor& x);
/// bool with bool.
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_xor(const Tensor& a, const Tensor& b);
Tensor logical_not(const Tensor& x);
/// condition (bool) ? a : b, broadcasting all three.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
/// x where mask (bool, broadcast) is false, value where it is true.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator-(const Tensor& x) { return neg(x); }
/// With a number: it takes the tensor's dtype and device.
inline Tensor operator+(const Tensor& a, double b) { return add(a, scalar_like(b, a)); }
inline Tensor operator-(const Tensor& a, double b) { return sub(a, scalar_like(b, a)); }
inline Tensor operator*(const Tensor& a, double b) { return mul(a, scalar_like(b, a)); }
inline Tensor operator/(const Tensor& a, double b) { return div(a, scalar_like(b, a)); }
inline Tensor operator+(double a, const Tensor& b) { return add(scalar_like(a, b), b); }
inline Tensor operator-(double a, const Tensor& b) { return sub(scalar_like(a, b), b); }
inline Tensor operator*(double a, const Tensor& b) { return mul(scalar_like(a, b), b); }
inline Tensor operator/(double a, const Tensor& b) { return div(scalar_like(a, b), b); }
inline Tensor eq(const Tensor& a, double b) { return eq(a, scalar_like(b, a)); }
inline Tensor ne(const Tensor& a, double b) { return ne(a, scalar_like(b, a)); }
inline Tensor lt(const Tensor& a, double b) { return lt(a, scalar_like(b, a)); }
inline Tensor le(const Tensor& a, double b) { return le(a, scalar_like(b, a)); }
inline Tensor gt(const Tensor& a, double b) { return gt(a, scalar_like(b, a)); }
inline Tensor ge(const Tensor& a, double b) { return ge(a, scalar_like(b, a)); }

// ---- shape (autograd/ops/shape.cpp, split.cpp): views share storage with x ----
/// Same elements in row-major order, another shape; one size may be -1. Copies when x's strides don't allow a
/// view.
Tensor reshape(const Tensor& x, const Shape& shape);
/// Swaps two axes; a view.
Tensor transpose(const Tensor& x, std::int64_t axis0 = -2, std::int64_t axis1 = -1);
/// Reorders all axes: result axis i is x's axis order[i]; a view.
Tensor permute(const Tensor& x, const Shape& order);
/// Repeats along axes of size 1 (and new leading axes) without copying; a view with zero strides.
Tensor broadcast_to(const Tensor& x, const Shape& shape);
/// Elements begin, begin+step, … below end along an axis; a view.
Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t begin, std::int64_t end, std::int64_t step = 1);
/// Index `position` along an axis, which disappears; a view.
Tensor select(const Tensor& x, std::int64_t axis, std::int64_t position);
/// Inserts an axis of size 1; a view.
Tensor unsqueeze(const Tensor& x, std::int64_t axis);
/// Removes an axis of size 1; a view.
Tensor squeeze(const Tensor& x, std::int64_t axis);
/// Dense: x itself when it is row-major without gaps, else a copy.
Tensor contiguous(const Tensor& x);
/// Images [N, H, W, C] as vectors [N, C·H·W] in channel-major order, as PyTorch's flatten of NCHW gives.
Tensor flatten_image(const Tensor& x);
/// Joins along an axis; the other sizes must agree.
Tensor concat(const Tensors& parts, std::int64_t axis);
/// Joins along a new axis.
Tensor stack(const Tensors& parts, std::int64_t axis);
/// Puts x into a zero tensor of `shape` at begin, begin+step, … along an axis: slice's adjoint.
Tensor slice_backward(const Tensor& x, const Shape& shape, std::int64_t axis, std::int64_t begin,
                      std::int64_t step);

/// Parts of `size` along an axis, the last one smaller where size doesn't divide; views.
Tensors split(const Tensor& x, std::int64_t size, std::int64_t axis = 0);
/// Parts of these sizes, which add up to x's; views.
Tensors split(const Tensor& x, const std::vector<std::int64_t>& sizes, std::int64_t axis = 0);
/// At most `count` parts of equal size, the last one smaller where that doesn't divide; views.
Tensors chunk(const Tensor& x, std::int64_t count, std::int64_t axis = 0);
/// Every position along an axis, which disappears; views.
Tensors unbind(const Tensor& x, std::int64_t axis = 0);
/// Entries [..., i, i + offset] of x [..., m, n]; a view where x is dense.
Tensor diagonal(const Tensor& x, std::int64_t offset = 0);

// ---- rearrangement (autograd/ops/rearrange.cpp, pad.cpp): copies, in any dtype ----
enum class PadMode {
  constant,   ///< a given value
  reflect,    ///< mirrored at the outermost element, which isn't repeated
  replicate,  ///< the outermost element repeated
};
/// Elements put (before, after) each axis of x, in the order of the axes.
Tensor pad(const Tensor& x, const std::vector<std::pair<std::int64_t, std::int64_t>>& amounts,
           PadMode mode = PadMode::constant, double value = 0);
/// The order along the axes reversed. A copy: a tensor's strides are never negative.
Tensor flip(const Tensor& x, const Shape& axes);
/// Moves elements shifts[i] places up along axes[i]; what leaves at the end enters at the start.
Tensor roll(const Tensor& x, const Shape& shifts, const Shape& axes);
/// x repeated repeats[i] times along axis i; the last entries belong to the last axes, earlier ones make new
/// axes, missing ones are 1. As PyTorch's tile and, where every axis is named, repeat.
Tensor tile(const Tensor& x, const Shape& repeats);
/// The lower (upper) triangle of x [..., m, n], the rest 0: entries [..., i, j] with j - i ≤ (≥) diagonal.
Tensor tril(const Tensor& x, std::int64_t diagonal = 0);
Tensor triu(const Tensor& x, std::int64_t diagonal = 0);

// ---- reductions (autograd/ops/reduce.cpp, norm.cpp) ----
// Over the axes given (all when empty), which disappear, or stay with size 1 when keepdim is set.
/// Integers and bools are summed (and multiplied) in int64.
Tensor sum(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
Tensor mean(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
/// Its gradient is right beside zeros as well.
Tensor prod(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
/// Largest (smallest) value; its gradient is shared evenly among ties, as in PyTorch's amax and amin.
Tensor max(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
Tensor min(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
/// Position of the largest (smallest) value along an axis, the first of ties, as int64; no gradient. NaN
/// counts as the largest (smallest).
Tensor argmax(const Tensor& x, std::int64_t axis = -1, bool keepdim = false);
Tensor argmin(const Tensor& x, std::int64_t axis = -1, bool keepdim = false);
/// Whether any (all) of x, which is bool, is true.
Tensor any(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
Tensor all(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
/// int64.
Tensor count_nonzero(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
/// Sums x down to a shape that broadcasts to x's: broadcast_to's adjoint.
Tensor sum_to(const Tensor& x, const Shape& shape);
/// ‖x‖ₚ, p from 1 to infinity; the gradient at 0 is 0. Neither float32's squares nor other powers overflow.
Tensor norm(const Tensor& x, const Shape& axes = {}, bool keepdim = false, double p = 2);
/// Variance, divided by the count less `correction`, and its root, whose gradient at 0 is 0.
Tensor var(const Tensor& x, const Shape& axes = {}, bool keepdim = false, double correction = 1);
Tensor stddev(const Tensor& x, const Shape& axes = {}, bool keepdim = false, double correction = 1);

// ---- scans (autograd/ops/cumsum.cpp) ----
/// Sums of x's elements along an axis up to each (from each on when reverse).
Tensor cumsum(const Tensor& x, std::int64_t axis, bool reverse = false);

// ---- softmax family (autograd/ops/softmax.cpp): along `axis` ----
Tensor softmax(const Tensor& x, std::int64_t axis = -1);
Tensor log_softmax(const Tensor& x, std::int64_t axis = -1);
/// log Σ exp x over the axes (all when empty), without overflow.
Tensor logsumexp(const Tensor& x, const Shape& axes = {-1}, bool keepdim = false);
/// x / max(‖x‖₂, epsilon) along the last axis.
Tensor l2_normalize(const Tensor& x, double epsilon = 1e-12);

// ---- indexing (autograd/ops/indexing.cpp): indices int64 ----
/// Rows of x along an axis: result[…, j, …] = x[…, index[j], …]; index [n].
Tensor index_select(const Tensor& x, std::int64_t axis, const Tensor& index);
/// A zero tensor of size `count` along the axis, plus x's rows added at index, in rising order: the adjoint.
Tensor index_add(const Tensor& x, std::int64_t axis, const Tensor& index, std::int64_t count);
/// result[i, j, k] = x[i, index[i, j, k], k]: index has x's rank and, off the axis, x's sizes.
Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& index);
/// The adjoint of gather; `count` is the size along the axis.
Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& index, std::int64_t count);
/// labels int64 [...] as 0/1 vectors [..., classes]; no gradient.
Tensor one_hot(const Tensor& labels, std::int64_t classes, DType dtype = float32);
/// Rows of weight [rows, width] for indices of any shape: [..., width]. Row padding_index gets no gradient.
Tensor embedding(const Tensor& weight, const Tensor& indices, std::optional<std::int64_t> padding_index = {});
/// The elements of x where mask (bool, of x's shape) is true, in row-major order: [count].
Tensor masked_select(const Tensor& x, const Tensor& mask);

// ---- order (autograd/ops/sort.cpp): ties by rising index; NaN counts as larger than any number ----
/// Values and their positions (int64) along an axis; values are differentiable.
std::pair<Tensor, Tensor> sort(const Tensor& x, std::int64_t axis = -1, bool descending = false);
Tensor argsort(const Tensor& x, std::int64_t axis = -1, bool descending = false);
/// The k largest (smallest) along an axis, best first, and their positions.
std::pair<Tensor, Tensor> topk(const Tensor& x, std::int64_t k, std::int64_t axis = -1, bool largest = true);

// ---- matrix product (autograd/ops/matmul.cpp) ----
/// a [..., m, k] · b [..., k, n] → [..., m, n]; leading axes broadcast. Use transpose() for aᵀ or bᵀ: no
/// copy.
Tensor matmul(const Tensor& a, const Tensor& b);
/// x [..., in] · weightᵀ + bias: weight [out, in], bias [out] or undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// ---- convolution (autograd/ops/conv2d.cpp) ----
/// x [N, H, W, in], weight [out, kernel_h, kernel_w, in/groups], bias [out] or undefined → [N, H', W', out]
/// with H' = (H + 2·pad - dilation·(kernel - 1) - 1) / stride + 1.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Conv2dParams& params = {});

struct ConvTranspose2dParams {
  int stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1, groups = 1;
  int output_pad_h = 0, output_pad_w = 0;  ///< rows and columns more at the far edges, fewer than the stride
};
/// The adjoint of conv2d with the same weight and params: x [N, H, W, in], weight [in, kernel_h, kernel_w,
/// out/groups], bias [out] or undefined → [N, H', W', out] with H' = (H - 1)·stride - 2·pad +
/// dilation·(kernel - 1) + output_pad + 1.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose2dParams& params = {});

// ---- pooling (autograd/ops/pool.cpp): x [N, H, W, C] ----
/// Largest value of each window; NaN wins. The gradient goes to the first of ties.
Tensor max_pool2d(const Tensor& x, const Pool2dParams& params = {});
Tensor avg_pool2d(const Tensor& x, const Pool2dParams& params = {});
/// Pooling to [N, height, width, C]: window i of n along an axis covers ⌊i·size/n⌋ up to ⌈(i+1)·size/n⌉.
Tensor adaptive_max_pool2d(const Tensor& x, std::int64_t height, std::int64_t width);
Tensor adaptive_avg_pool2d(const Tensor& x, std::int64_t height, std::int64_t width);
/// Mean over H and W: [N, C].
Tensor global_avg_pool(const Tensor& x);

// ---- resampling (autograd/ops/resize.cpp, grid_sample.cpp): x [N, H, W, C] ----
struct ResizeOptions {
  Interpolation mode = Interpolation::bilinear;
  bool align_corners = false;  ///< whether the centres of the corner pixels (not their outer edges) coincide
  bool antialias = false;      ///< widen the kernel when shrinking (bilinear and bicubic)
};
/// Images at another size: [N, height, width, C]. As torch.nn.functional.interpolate: the cubic kernel has
/// a = -0.75, or -0.5 with antialias (Pillow's). Positions are computed in float64, nearest ones in integers.
Tensor resize(const Tensor& x, std::int64_t height, std::int64_t width, const ResizeOptions& options = {});
/// x at the places of grid [N, H', W', 2], which holds (x, y) with -1 and 1 at the image's borders → [N, H',
/// W', C]. As torch.nn.functional.grid_sample. Differentiable once, in both. (Jaderberg et al. 2015.)
Tensor grid_sample(const Tensor& x, const Tensor& grid, const GridSampleParams& params = {});

// ---- batch norm (autograd/ops/batch_norm.cpp): x [..., channels] ----
struct BatchNormOptions {
  double momentum = 0.1;  ///< weight of the new batch in the running statistics
  double epsilon = 1e-5;
  bool training = true;  ///< normalise by the batch (and update the running statistics), or by the latter
  bool relu = false;     ///< apply relu to the result
};
/// y = act((x - mean)/√(var + ε)·weight + bias + residual), statistics over all axes but the last, over all
/// processes of the group. weight, bias, residual may be undefined. The running variance is the unbiased one,
/// as in PyTorch. Statistics are float32 for x of low precision, and weight and bias may be.
/// Differentiable once in training. (Ioffe & Szegedy 2015.)
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, const BatchNormOptions& options, const Tensor& residual = {});

// ---- norms of each sample (autograd/ops/layer_norm.cpp, group_norm.cpp, weight_norm.cpp) ----
// weight and bias scale and shift the result, and may be undefined. Differentiable once.
/// (x - mean)/√(var + ε)·weight + bias over the last axes, which have the shape given, as have weight and
/// bias. (Ba, Kiros & Hinton 2016.)
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {},
                  const Tensor& bias = {}, double epsilon = 1e-5);
/// x/√(mean(x²) + ε)·weight over the last axes. (Zhang & Sennrich 2019.)
Tensor rms_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {},
                double epsilon = 1e-6);
/// x [N, ..., channels], the statistics of each sample and group of neighbouring channels; weight, bias
/// [channels]. (Wu & He 2018.)
Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double epsilon = 1e-5);
/// group_norm with a group a channel. (Ulyanov, Vedaldi & Lempitsky 2016.)
Tensor instance_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                     double epsilon = 1e-5);
/// (w - mean)/√(var + ε) over all axes but the first, of w [out, ...]. (Qiao et al. 2019.)
Tensor weight_standardize(const Tensor& weight, double epsilon = 1e-6);
/// g·v/‖v‖₂, the norm over all axes but one; g has that axis's size. (Salimans & Kingma 2016.)
Tensor weight_norm(const Tensor& v, const Tensor& g, std::int64_t axis = 0);

// ---- dropout (autograd/ops/dropout.cpp): p in [0, 1]; x itself when p is 0 or not in training ----
/// Each element 0 with probability p, else x/(1 - p): element i by word i of the generator's next draw.
/// (Srivastava et al. 2014.)
Tensor dropout(const Tensor& x, double p, Generator& generator, bool training = true);
/// The same for whole samples x[i]: stochastic depth. (Huang et al. 2016.)
Tensor drop_path(const Tensor& x, double p, Generator& generator, bool training = true);
/// The same with a number [N] in [0, 1) for each sample, which is dropped where that is below p < 1.
Tensor drop_path(const Tensor& x, double p, const Tensor& numbers);

// ---- attention (autograd/ops/attention.cpp): q [N, heads, n, head_dim], k and v [N, heads, m, head_dim]
// ----
struct AttentionOptions {
  std::optional<double> scale = {};  ///< 1/√head_dim unless given
  bool causal = false;               ///< query i sees keys 0 … i + m - n alone: the last query sees all
  Tensor bias = {};                  ///< added to the scores, broadcasting to [N, heads, n, m]; -inf hides
  Tensor key_mask = {};              ///< bool [N, m]: false for keys that are padding
  double dropout = 0;                ///< share of the weights that are dropped; needs a generator
  Generator* generator = nullptr;
};
struct AttentionResult {
  Tensor y;            ///< [N, heads, n, head_dim]
  Tensor log_sum_exp;  ///< [N, heads, n], of each query's scores; carries no gradient
};
/// dropout(softmax(scale·q·kᵀ + bias))·v over the keys that a query sees; 0 where it sees none. Memory is
/// linear in n and m; a bias that wants a gradient costs one of [N, heads, n, m]. Differentiable once.
/// (Vaswani et al. 2017, equation 1; Dao et al., "FlashAttention", 2022.)
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options = {});
/// Attention of tokens to each other, with q, k and v in one tensor [N, n, 3, heads, head_dim], as one linear
/// layer makes them: y [N, heads, n, head_dim] and the gradient are the same, the latter in one piece.
Tensor attention_qkv(const Tensor& qkv, const AttentionOptions& options = {});
/// attention(), with what merges attention to several sets of keys: log Σ exp of the scores, float32 for low
/// precision, -inf for a query that sees no key.
AttentionResult attention_with_log_sum_exp(const Tensor& q, const Tensor& k, const Tensor& v,
                                           const AttentionOptions& options = {});

// ---- losses (autograd/ops/cross_entropy.cpp, loss.cpp) ----
/// batch_mean: the sum divided by the size of axis 0.
enum class Reduction { mean, sum, none, batch_mean };
struct CrossEntropyOptions {
  double label_smoothing = 0;        ///< share of the target spread evenly over all classes, in [0, 1]
  std::int64_t ignore_index = -100;  ///< rows with this label have no loss and don't count in the mean
  Reduction reduction = Reduction::mean;
  Tensor class_weight = {};  ///< [n] or undefined
};
/// -Σ target·w·log softmax(logits) of each row; logits [..., n], labels int64 [...] in 0 … n-1, or
/// probabilities [..., n]. The mean over labels is weighted by the labels' class weights, as in PyTorch.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& options = {});
struct NllLossOptions {
  std::int64_t ignore_index = -100;
  Reduction reduction = Reduction::mean;
  Tensor class_weight = {};  ///< [n] or undefined
};
/// -w[label]·log_probs[..., label]; log_probs [..., n], labels int64 [...]. The mean as in cross_entropy.
Tensor nll_loss(const Tensor& log_probs, const Tensor& labels, const NllLossOptions& options = {});
// Of two tensors of one shape, element by element, then reduced:
/// (a - b)², |a - b|.
Tensor mse_loss(const Tensor& a, const Tensor& b, Reduction reduction = Reduction::mean);
Tensor l1_loss(const Tensor& a, const Tensor& b, Reduction reduction = Reduction::mean);
/// (a - b)²/(2·beta) where |a - b| < beta, else |a - b| - beta/2. (Girshick 2015.)
Tensor smooth_l1_loss(const Tensor& a, const Tensor& b, double beta = 1,
                      Reduction reduction = Reduction::mean);
/// delta·smooth_l1_loss with beta = delta. (Huber 1964.)
Tensor huber_loss(const Tensor& a, const Tensor& b, double delta = 1, Reduction reduction = Reduction::mean);
/// -(t·log p + (1 - t)·log(1 - p)), logarithms no lower than -100.
Tensor binary_cross_entropy(const Tensor& probs, const Tensor& targets,
                            Reduction reduction = Reduction::mean);
/// The same with p = sigmoid(logits), without overflow; pos_weight (broadcast, or undefined) scales the first
/// term.
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets,
                                        const Tensor& pos_weight = {}, Reduction reduction = Reduction::mean);
/// t·(log t - log_probs), 0 where t is 0; `log_targets` says that log t is given.
Tensor kl_div(const Tensor& log_probs, const Tensor& targets, Reduction reduction = Reduction::batch_mean,
              bool log_targets = false);

// ---- similarity and distance (autograd/ops/distance.cpp) ----
/// a·b / (max(‖a‖, ε)·max(‖b‖, ε)) along an axis, which disappears; a and b broadcast.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t axis = -1, double epsilon = 1e-8);
/// ‖a_i - b_j‖ₚ, p from 1 to infinity: a [..., m, d], b [..., n, d] → [..., m, n]. By differences and not by
/// products, so that small distances are as accurate as large ones. The gradient at distance 0 is 0.
/// Differentiable once.
Tensor cdist(const Tensor& a, const Tensor& b, double p = 2);

// ---- collectives (autograd/ops/collective.cpp) ----
/// Every process's x joined along axis 0, in rank order; the gradient of a process's own rows is summed over
/// all processes. With one process it is x itself.
Tensor all_gather(const Tensor& x);

}  // namespace tsr
