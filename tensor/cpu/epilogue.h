// The epilogue that convolution and linear share: bias, residual and relu while a tile is in cache.
#pragma once

#include "tensor/cpu/gemm.h"
#include "tensor/widening.h"

namespace tsr::cpu {

/// y = act(y + bias + residual) for the tiles of y: bias [columns of y], residual of y's shape and layout;
/// null where absent.
template <class T>
struct BiasResidualRelu {
  const T* bias = nullptr;
  const T* residual = nullptr;
  bool relu = false;

  /// Empty when there is nothing to do; refers to this object, which must outlive the product.
  Epilogue<T> epilogue() const;
};

/// The data of a bias or residual of element type S for the epilogue: null where absent, widened into the
/// workspace where of 16 bits.
template <class S>
const Compute<S>* epilogue_operand(Context& context, const View& view) {
  return view.data == nullptr ? nullptr : Widening(context).read(view).as<Compute<S>>();
}

}  // namespace tsr::cpu
