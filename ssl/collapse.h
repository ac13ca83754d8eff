#pragma once
// The collapse meter: how much of the embedding space a batch uses.

#include "tensor/tensor.h"

namespace tsr {

struct CollapseMeter {
  double std = 0;          ///< mean over dimensions of the standard deviation of normalised embeddings
  double uniform_std = 0;  ///< 1/√D: what directions spread evenly over the sphere show; 0 is full collapse
  double effective_rank = 0;  ///< exp of the entropy of the normalised singular values (Roy & Vetterli 2007)
};

/// embeddings [N, D], normalised here. Singular values are those of the centred matrix.
CollapseMeter measure_collapse(const Tensor& embeddings);

}  // namespace tsr
