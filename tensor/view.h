#pragma once
// View: what a kernel sees of a tensor. Plain data; owns nothing.

#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace tsr {

struct View {
  void* data = nullptr;
  DType dtype = DType::float32;
  int rank = 0;
  std::int64_t size[kMaxRank] = {};
  std::int64_t stride[kMaxRank] = {};  ///< in elements; 0 along a broadcast axis

  template <class T>
  T* as() const {
    TSR_ASSERT(dtype_of<T> == dtype);
    return static_cast<T*>(data);
  }

  std::int64_t numel() const {
    std::int64_t count = 1;
    for (int axis = 0; axis < rank; ++axis) count *= size[axis];
    return count;
  }
};

}  // namespace tsr
