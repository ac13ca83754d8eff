// The epilogue that convolution and linear share: bias, residual and relu while a tile is in cache.
#pragma once

#include "tensor/cpu/gemm.h"

namespace tsr::cpu {

/// y = act(y + bias + residual) for the tiles of y: bias [columns of y], residual of y's shape and layout;
/// null where absent.
template <class T>
struct BiasResidualRelu {
  const T* y;
  const T* bias = nullptr;
  const T* residual = nullptr;
  bool relu = false;

  /// Empty when there is nothing to do; refers to this object, which must outlive the product.
  Epilogue<T> epilogue() const;
};

}  // namespace tsr::cpu
