// Layer norm and RMS norm over the last axes.
#include <cmath>

#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kLayerNorm("layer_norm", true, CastPolicy::full), kRmsNorm("rms_norm", true, CastPolicy::full);

/// A dense tensor as a kernel sees it in another shape.
View shaped(const Tensor& dense, const Shape& shape) {
  return dense.as_strided(shape, dense_strides(shape), dense.offset()).view();
}

/// x's shape as [rows, elements of a row]; throws unless x ends in `normalized`, as weight and bias do.
Shape rows_of(const char* op, const Tensor& x, const Shape& normalized, const Tensor& weight,
              const Tensor& bias) {
  const int leading = x.rank() - normalized.rank();
  bool fits = leading >= 0;
  for (int axis = 0; fits && axis < normalized.rank(); ++axis)
    fits = x.shape()[leading + axis] == normalized[axis];
  TSR_CHECK(fits && normalized.numel() > 0, op, ": x ", describe(x), " doesn't end in ", normalized,
            ", a shape of at least one element");
  for (const Tensor& tensor : {weight, bias})
    TSR_CHECK(tensor.shape() == normalized, op, ": weight or bias is ", describe(tensor), "; need ",
              normalized);
  return {x.numel() / normalized.numel(), normalized.numel()};
}

Tensor norm(const OpInfo& info, const Tensor& given, const Shape& normalized, const Tensor& given_weight,
            const Tensor& given_bias, double epsilon, bool centred) {
  TSR_CHECK(epsilon >= 0 && std::isfinite(epsilon), info.name, ": epsilon is ", epsilon,
            "; it must be finite and not negative");
  const Tensor dense = contiguous(given);
  const Tensor dense_weight = given_weight.defined() ? contiguous(given_weight)
                                                     : ones(normalized, dense.dtype(), dense.device()),
               dense_bias = given_bias.defined() ? contiguous(given_bias)
                                                 : zeros(normalized, dense.dtype(), dense.device());
  Op op(info, {dense, dense_weight, dense_bias});
  const Tensor &x = op[0], &weight = op[1], &bias = op[2];
  const Shape shape = rows_of(info.name, x, normalized, weight, bias), rows{shape[0]}, row{shape[1]};
  const DType wide = compute_dtype(x.dtype());  // of the statistics
  const Tensor y = op.empty(x.shape()), mean = op.empty(rows, wide), inv_std = op.empty(rows, wide);
  layer_norm_fwd(op, shaped(x, shape), shaped(weight, row), shaped(bias, row), shaped(y, shape), mean.view(),
                 inv_std.view(), epsilon, centred);
  return op.record(y, [=, x = op.save(x), weight = op.save(weight), mean = op.save(mean),
                       inv_std = op.save(inv_std)](const Tensor& given_grad, const Needs&) {
    const Tensor grad = contiguous(given_grad);
    const auto like = [&](const Shape& size) { return Tensor(size, grad.dtype(), grad.device()); };
    Tensors grads{like(grad.shape()), like(normalized), like(normalized)};
    Context context(grad.device());
    layer_norm_bwd(context, shaped(grad, shape), shaped(x.get(), shape), mean.get().view(),
                   inv_std.get().view(), shaped(weight.get(), row), shaped(grads[0], shape),
                   shaped(grads[1], row), shaped(grads[2], row), centred);
    return grads;
  });
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias,
                  double epsilon) {
  return norm(kLayerNorm, x, normalized_shape, weight, bias, epsilon, true);
}

Tensor rms_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, double epsilon) {
  return norm(kRmsNorm, x, normalized_shape, weight, {}, epsilon, false);
}

}  // namespace tsr
