#pragma once
// Views of several sizes through one encoder (Caron et al., "Unsupervised Learning of Visual Features by
// Contrasting Cluster Assignments", NeurIPS 2020, section 3.3).

#include "nn/encoder.h"

namespace tsr {

/// Features [V·N, D] of V views [N, H, W, C] each, view after view. Neighbours of one size go through the
/// encoder as one batch.
Tensor encode_views(Encoder& encoder, const Tensors& views);

}  // namespace tsr
