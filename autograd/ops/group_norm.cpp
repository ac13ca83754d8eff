// Group norm of channels-last tensors.
#include <cmath>

#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kGroupNorm("group_norm", true, CastPolicy::full);

/// x, dense, as [samples, places, channels].
View as_places(const Tensor& x) {
  Shape shape{x.shape()[0], 1, x.size(-1)};
  for (int axis = 1; axis + 1 < x.rank(); ++axis) shape[1] *= x.shape()[axis];
  return x.as_strided(shape, dense_strides(shape), x.offset()).view();
}

void check_operands(const Tensor& x, std::int64_t groups, const Tensor& weight, const Tensor& bias) {
  const Shape channels{x.size(-1)};
  TSR_CHECK(groups > 0 && channels[0] % groups == 0, "group_norm: ", groups, " groups of the ", channels[0],
            " channels of ", describe(x), "; the number of groups must divide that of channels");
  for (const Tensor& tensor : {weight, bias})
    TSR_CHECK(tensor.shape() == channels, "group_norm: x ", describe(x), " has ", channels[0],
              " channels, but weight or bias is ", describe(tensor));
}

}  // namespace

Tensor group_norm(const Tensor& given, std::int64_t groups, const Tensor& given_weight,
                  const Tensor& given_bias, double epsilon) {
  TSR_CHECK(epsilon >= 0 && std::isfinite(epsilon), "group_norm: epsilon is ", epsilon,
            "; it must be finite and not negative");
  TSR_CHECK(given.rank() >= 2, "group_norm: x ", describe(given), " is not [N, ..., channels]");
  const Tensor dense = contiguous(given);
  const Shape channels{given.size(-1)};
  const Tensor dense_weight = given_weight.defined() ? contiguous(given_weight)
                                                     : ones(channels, dense.dtype(), dense.device()),
               dense_bias = given_bias.defined() ? contiguous(given_bias)
                                                 : zeros(channels, dense.dtype(), dense.device());
  Op op(kGroupNorm, {dense, dense_weight, dense_bias});
  const Tensor &x = op[0], &weight = op[1], &bias = op[2];
  check_operands(x, groups, weight, bias);
  const Shape statistics{x.shape()[0], groups};
  const DType wide = compute_dtype(x.dtype());  // of the statistics
  const Tensor y = op.empty(x.shape()), mean = op.empty(statistics, wide),
               inv_std = op.empty(statistics, wide);
  group_norm_fwd(op, as_places(x), weight.view(), bias.view(), as_places(y), mean.view(), inv_std.view(),
                 epsilon);
  return op.record(y, [x = op.save(x), weight = op.save(weight), mean = op.save(mean),
                       inv_std = op.save(inv_std)](const Tensor& given_grad, const Needs&) {
    const Tensor grad = contiguous(given_grad), scale = weight.get();
    const auto like = [&](const Shape& size) { return Tensor(size, grad.dtype(), grad.device()); };
    Tensors grads{like(grad.shape()), like(scale.shape()), like(scale.shape())};
    Context context(grad.device());
    group_norm_bwd(context, as_places(grad), as_places(x.get()), mean.get().view(), inv_std.get().view(),
                   scale.view(), as_places(grads[0]), grads[1].view(), grads[2].view());
    return grads;
  });
}

Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  TSR_CHECK(x.rank() >= 2 && x.size(-1) > 0, "instance_norm: x ", describe(x), " is not [N, ..., channels]");
  return group_norm(x, x.size(-1), weight, bias, epsilon);
}

}  // namespace tsr
