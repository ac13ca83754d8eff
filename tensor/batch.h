#pragma once
// Batch: what the loader hands to a method.

#include <cstdint>

#include "tensor/tensor.h"

namespace tsr {

/// N samples of one epoch.
struct Batch {
  Tensors views;  ///< each float [N, height, width, channels]
  Tensor labels;  ///< int64 [N]; undefined for an unlabelled set
  Tensor ids;     ///< int64 [N]: numbers that stay with the samples
  std::int64_t epoch = 0;
};

}  // namespace tsr
