#include "autograd/ops/pointwise.h"

namespace tsr {

void check_dtype(const char* op, const KernelSlot& kernel, const Tensor& x) {
  if (is_floating(x.dtype()) || kernel.has(x.device(), x.dtype())) return;
  if (kernel.has(x.device(), int64))
    throw Error(text(op, ": ", describe(x),
                     " is neither floating nor int64 or int32; convert it with cast(x, ", "int64)"));
  throw Error(text(op, ": ", describe(x), " is not floating; convert it with cast(x, float32)"));
}

void check_same_dtype(const char* op, const Tensor& a, const Tensor& b) {
  TSR_CHECK(a.dtype() == b.dtype(), op, ": ", describe(a), " and ", describe(b),
            " differ in dtype; convert one with cast(x, ", is_floating(b.dtype()) ? b.dtype() : a.dtype(),
            ")");
}

Tensor run_unary(Op& op, const UnaryKernel& kernel, const Tensor& x) {
  check_dtype(op.name(), kernel, x);
  Tensor y = op.empty(x.shape());
  kernel(op, x.view(), y.view());
  return y;
}

Tensor run_binary(Op& op, const BinaryKernel& kernel, const Tensor& a, const Tensor& b) {
  check_same_dtype(op.name(), a, b);
  check_dtype(op.name(), kernel, a);
  Tensor y = op.empty(broadcast_shapes(op.name(), a.shape(), b.shape()));
  kernel(op, a.view(), b.view(), y.view());
  return y;
}

}  // namespace tsr
