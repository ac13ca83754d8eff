#pragma once
// Views by recipes (tensor/view_recipe.h), on the host.

#include "data/image.h"
#include "tensor/view_recipe.h"

namespace tsr {

/// Makes a view on the host: float32 [size, size, channels] at `out`.
void make_view(const Image& image, const ViewRecipe& recipe, const ViewSettings& settings, int size,
               float* out);

}  // namespace tsr
