#pragma once
// The public op API: mathematics as free functions on tensors, each differentiable unless it says otherwise.
//
// Shapes broadcast as in NumPy where two operands meet. Negative axes count from the end. Every op throws
// Error (op, operands, rule, way out) when shapes, dtypes or devices don't fit.

#include <cstdint>
#include <utility>

#include "autograd/tape.h"
#include "tensor/kernels.h"
#include "tensor/tensor.h"

namespace tsr {

// ---- pointwise (autograd/ops/pointwise.cpp) ----
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
/// Elementwise larger (smaller) value; where equal, both operands get half of the gradient.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
Tensor neg(const Tensor& x);
Tensor exp(const Tensor& x);
/// Natural logarithm.
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
/// |x|; the gradient at 0 is 0.
Tensor abs(const Tensor& x);
/// -1, 0 or 1; its gradient is zero.
Tensor sign(const Tensor& x);
/// max(x, 0); the gradient at 0 is 0.
Tensor relu(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);
/// condition (bool) ? a : b, broadcasting all three.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
/// Comparisons give bool and no gradient.
Tensor eq(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
/// x where mask (bool, broadcast) is false, value where it is true.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);
/// x in another dtype (x itself when it has that); the gradient comes back in x's.
Tensor cast(const Tensor& x, DType dtype);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator-(const Tensor& x) { return neg(x); }
/// With a number: it takes the tensor's dtype and device.
inline Tensor operator+(const Tensor& a, double b) { return add(a, scalar(b, a.dtype(), a.device())); }
inline Tensor operator-(const Tensor& a, double b) { return sub(a, scalar(b, a.dtype(), a.device())); }
inline Tensor operator*(const Tensor& a, double b) { return mul(a, scalar(b, a.dtype(), a.device())); }
inline Tensor operator/(const Tensor& a, double b) { return div(a, scalar(b, a.dtype(), a.device())); }
inline Tensor operator+(double a, const Tensor& b) { return add(scalar(a, b.dtype(), b.device()), b); }
inline Tensor operator-(double a, const Tensor& b) { return sub(scalar(a, b.dtype(), b.device()), b); }
inline Tensor operator*(double a, const Tensor& b) { return mul(scalar(a, b.dtype(), b.device()), b); }
inline Tensor operator/(double a, const Tensor& b) { return div(scalar(a, b.dtype(), b.device()), b); }

// ---- shape (autograd/ops/shape.cpp): views share storage with x ----
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

// ---- reductions (autograd/ops/reduce.cpp) ----
/// Sum over the axes given (all when empty); keepdim leaves them with size 1.
Tensor sum(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
Tensor mean(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
/// Largest value; its gradient is shared evenly among ties, as in PyTorch's amax.
Tensor max(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
/// Sums x down to a shape that broadcasts to x's: broadcast_to's adjoint.
Tensor sum_to(const Tensor& x, const Shape& shape);
/// ‖x‖₂ over the axes (all when empty).
Tensor norm(const Tensor& x, const Shape& axes = {}, bool keepdim = false);
/// Variance over the axes, divided by the count less `correction`.
Tensor var(const Tensor& x, const Shape& axes = {}, bool keepdim = false, double correction = 1);

// ---- softmax family (autograd/ops/softmax.cpp): along `axis` ----
Tensor softmax(const Tensor& x, std::int64_t axis = -1);
Tensor log_softmax(const Tensor& x, std::int64_t axis = -1);
/// log Σ exp x along the last axis, which disappears.
Tensor logsumexp(const Tensor& x);
/// Mean over rows of logsumexp(logits) - logits[label]; logits [m, n], labels int64 [m] in 0 … n-1.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels);
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
/// The k largest along the last axis, falling; ties by rising index. Values are differentiable.
std::pair<Tensor, Tensor> topk(const Tensor& x, std::int64_t k);
/// Position of the largest value along the last axis, the first of ties; no gradient.
Tensor argmax(const Tensor& x);
/// labels int64 [...] as 0/1 vectors [..., classes]; no gradient.
Tensor one_hot(const Tensor& labels, std::int64_t classes, DType dtype = float32);

// ---- matrix product (autograd/ops/matmul.cpp) ----
/// a [..., m, k] · b [..., k, n] → [..., m, n]; leading axes broadcast. Use transpose() for aᵀ or bᵀ: no
/// copy.
Tensor matmul(const Tensor& a, const Tensor& b);
/// x [..., in] · weightᵀ + bias: weight [out, in], bias [out] or undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// ---- convolution (autograd/ops/conv2d.cpp) ----
/// x [N, H, W, in], weight [out, kernel_h, kernel_w, in], bias [out] or undefined → [N, H', W', out] with
/// H' = (H + 2·pad - dilation·(kernel - 1) - 1) / stride + 1.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Conv2dParams& params = {});

// ---- pooling (autograd/ops/pool.cpp): x [N, H, W, C] ----
Tensor max_pool2d(const Tensor& x, const Pool2dParams& params = {});
Tensor avg_pool2d(const Tensor& x, const Pool2dParams& params = {});
/// Mean over H and W: [N, C].
Tensor global_avg_pool(const Tensor& x);

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

// ---- collectives (autograd/ops/collective.cpp) ----
/// Every process's x joined along axis 0, in rank order; the gradient of a process's own rows is summed over
/// all processes. With one process it is x itself.
Tensor all_gather(const Tensor& x);

}  // namespace tsr
