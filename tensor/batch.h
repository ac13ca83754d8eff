#pragma once
// Batch: what the loader hands to a method.

#include <cstdint>

#include "tensor/tensor.h"

namespace tsr {

/// Of N samples what a device needs to make their views itself; tensor/view_recipe.h says how.
struct RawViews {
  Tensor pixels;    ///< uint8: the images, one behind the other
  Tensor places;    ///< int64 [N, 3]
  Tensors recipes;  ///< of each view, float32 [N, ViewRecipe::kFields]
};

/// N samples of one epoch.
struct Batch {
  Tensors views;  ///< each float [N, height, width, channels]; none where there is `raw`
  RawViews raw = {};
  Tensor labels;  ///< int64 [N]; undefined for an unlabelled set
  Tensor ids;     ///< int64 [N]: numbers that stay with the samples
  std::int64_t epoch = 0;
};

}  // namespace tsr
