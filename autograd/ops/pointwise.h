#pragma once
// What the pointwise ops have in common.

#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {

/// Throws Error when x has a dtype that the op makes no sense for: `kernel` tells.
void check_dtype(const char* op, const KernelSlot& kernel, const Tensor& x);
/// Throws Error unless a and b have one dtype.
void check_same_dtype(const char* op, const Tensor& a, const Tensor& b);

/// y = kernel(x), with x's shape.
Tensor run_unary(Op& op, const UnaryKernel& kernel, const Tensor& x);
/// y = kernel(a, b), broadcast.
Tensor run_binary(Op& op, const BinaryKernel& kernel, const Tensor& a, const Tensor& b);

/// An op of one input, whose gradient is backward(grad, x).
template <class Backward>
Tensor from_input(const OpInfo& info, const UnaryKernel& kernel, const Tensor& given_x, Backward backward) {
  Op op(info, {given_x});
  const Tensor& x = op[0];
  return op.record(run_unary(op, kernel, x), [x = op.save(x), backward](const Tensor& grad, const Needs&) {
    return Tensors{backward(grad, x.get())};
  });
}

/// An op of one input, whose gradient is backward(grad, y) with y its result.
template <class Backward>
Tensor from_output(const OpInfo& info, const UnaryKernel& kernel, const Tensor& given_x, Backward backward) {
  Op op(info, {given_x});
  const Tensor& x = op[0];
  const Tensor y = run_unary(op, kernel, x);
  return op.record(y, [y = op.save(y), backward](const Tensor& grad, const Needs&) {
    return Tensors{backward(grad, y.get())};
  });
}

/// A gradient that has a kernel of its own: grad_x = kernel(grad, saved). When the backward is itself
/// recorded, composed() says the same by ops that can be differentiated again.
template <class Composed>
Tensor fused_backward(const OpInfo& info, const BinaryKernel& kernel, const Tensor& grad, const Tensor& saved,
                      Composed composed) {
  if (grad_enabled()) return composed();
  Op op(info, {grad, saved});
  return run_binary(op, kernel, grad, saved);
}

/// The gradient of one operand, summed over what broadcasting repeated; undefined when not needed.
template <class Gradient>
Tensor share(bool needed, const Shape& shape, Gradient&& gradient) {
  return needed ? sum_to(gradient(), shape) : Tensor();
}

/// The gradient of a function that is flat almost everywhere.
inline Tensor flat(const Tensor& grad) { return zeros(grad.shape(), grad.dtype(), grad.device()); }

}  // namespace tsr
