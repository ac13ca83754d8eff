// softmax and its family. Kernels work along the last axis; another axis is brought there.
#include "autograd/op.h"
#include "autograd/ops.h"
#include "autograd/ops/reduce.h"

namespace tsr {
namespace {

const OpInfo kSoftmax("softmax", CastPolicy::full), kLogSoftmax("log_softmax", CastPolicy::full),
    kLogsumexp("logsumexp", CastPolicy::full), kL2Normalize("l2_normalize", CastPolicy::full);

/// x with a dense last axis.
Tensor with_rows(const Tensor& x) { return x.strides().back() == 1 ? x : x.clone(); }

Shape without_last(Shape shape) {
  shape.erase(shape.rank() - 1);
  return shape;
}

Tensor run(Op& op, const UnaryKernel& kernel) {
  Tensor y = op.empty(op[0].shape());
  kernel(op, with_rows(op[0]).view(), y.view());
  return y;
}

Tensor softmax_rows(const Tensor& x) {
  Op op(kSoftmax, {x});
  const Tensor y = run(op, softmax_fwd);
  return op.record(y, [y = op.save(y)](const Tensor& grad, const Needs&) {
    const Tensor p = y.get(), weighted = grad * p;
    return Tensors{weighted - p * sum(weighted, {-1}, true)};
  });
}

Tensor log_softmax_rows(const Tensor& x) {
  Op op(kLogSoftmax, {x});
  const Tensor y = run(op, log_softmax_fwd);
  return op.record(y, [y = op.save(y)](const Tensor& grad, const Needs&) {
    return Tensors{grad - exp(y.get()) * sum(grad, {-1}, true)};
  });
}

Tensor logsumexp_rows(const Tensor& given_x) {
  Op op(kLogsumexp, {given_x});
  const Tensor& x = op[0];
  const Tensor y = op.empty(without_last(x.shape()));
  logsumexp_fwd(op, with_rows(x).view(), y.view());
  return op.record(y, [x = op.save(x)](const Tensor& grad, const Needs&) {
    return Tensors{unsqueeze(grad, -1) * softmax(x.get())};
  });
}

/// Applies an op of rows along another axis.
Tensor along(const char* name, Tensor (*rows)(const Tensor&), const Tensor& x, std::int64_t axis) {
  const int a = normalize_axis(name, axis, x.rank());
  if (a == x.rank() - 1) return rows(x);
  return transpose(rows(transpose(x, a, -1)), a, -1);
}

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t axis) { return along("softmax", softmax_rows, x, axis); }
Tensor log_softmax(const Tensor& x, std::int64_t axis) {
  return along("log_softmax", log_softmax_rows, x, axis);
}

Tensor logsumexp(const Tensor& x, const Shape& axes, bool keepdim) {
  const Shape kept = kept_shape("logsumexp", x, axes);
  return reshape(logsumexp_rows(as_rows(x, axes)), keepdim ? kept : dropped_shape(x, axes));
}

Tensor l2_normalize(const Tensor& given_x, double epsilon) {
  Op op(kL2Normalize, {given_x});
  const Tensor& x = op[0];
  normalize_axis("l2_normalize", -1, x.rank());
  TSR_CHECK(epsilon > 0, "l2_normalize: epsilon is ", epsilon, "; it must be positive");
  const DType wide = compute_dtype(x.dtype());  // of lengths: epsilon may be 0 in low precision
  const Tensor y = op.empty(x.shape()), length = op.empty(without_last(x.shape()), wide);
  l2_normalize_fwd(op, with_rows(x).view(), y.view(), length.view(), epsilon);
  return op.record(y, [x = op.save(x), y = op.save(y), length = op.save(length), epsilon, wide](
                          const Tensor& given_grad, const Needs&) {
    const Tensor grad = cast(given_grad, wide), direction = cast(y.get(), wide),
                 bound = scalar(epsilon, wide, grad.device());
    // a gradient of this gradient flows through the length as well
    const Tensor divisor =
        grad_enabled() ? maximum(norm(cast(x.get(), wide), {-1}, true), bound) : unsqueeze(length.get(), -1);
    // where the length is clamped it is a constant, and y linear in x
    const Tensor clamped = le(divisor, bound);
    const Tensor along = masked_fill(sum(grad * direction, {-1}, true), clamped, 0);
    return Tensors{cast((grad - direction * along) / divisor, given_grad.dtype())};
  });
}

}  // namespace tsr
