#pragma once
// What the tests of the tape share.

#include <vector>

#include "autograd/ops.h"
#include "autograd/tape.h"

namespace tsr::test {

using Numbers = std::vector<double>;

/// A float64 leaf, every element `value`.
inline Tensor leaf(double value, const Shape& shape = {}) {
  Tensor x = full(shape, value, float64);
  x.requires_grad_();
  return x;
}

/// Every element of a tensor.
inline Numbers values(const Tensor& x) {
  const Tensor host = x.to(float64).clone();
  return {host.data<double>(), host.data<double>() + host.numel()};
}

inline std::int64_t live_bytes() { return allocator(Device::cpu).stats().live_bytes; }

}  // namespace tsr::test
