#pragma once
// What losses have in common.

#include "autograd/autocast.h"
#include "autograd/ops.h"

namespace tsr {

/// A loss of each element or row brought to what was asked for. Throws Error naming `op` for the mean of
/// nothing.
Tensor reduced(const char* op, const Tensor& loss, Reduction reduction);

/// A loss f(a, b) in compute_dtype: as composed() in autograd/op.h, of two tensors.
template <class F>
Tensor composed(const Tensor& a, const Tensor& b, F&& f) {
  const Tensor y = f(cast(a, compute_dtype(a.dtype())), cast(b, compute_dtype(b.dtype())));
  return Autocast::enabled() ? y : cast(y, a.dtype());
}

}  // namespace tsr
