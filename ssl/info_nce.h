#pragma once
// InfoNCE over a batch of pairs.

#include "autograd/ops.h"

namespace tsr {

struct NtXentOptions {
  double temperature = 0.5;
  bool self_mask = true;  ///< leave each embedding out of its own candidates
};

/// NT-Xent (Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020,
/// equation 1). z [2N, D], rows i and i + N being views of one sample, each normalised by the caller:
/// mean over i of -log( exp(zᵢ·z₊/τ) / Σ_{k≠i} exp(zᵢ·z_k/τ) ). Candidates come from every process.
Tensor nt_xent(const Tensor& z, const NtXentOptions& options);

/// InfoNCE with the keys of the other samples as negatives (Chen, Xie and He, "An Empirical Study of Training
/// Self-Supervised Vision Transformers", ICCV 2021, equation 1). queries and keys [N, D], each normalised by
/// the caller, row i of both being views of one sample: mean over i of
/// -log( exp(qᵢ·kᵢ/τ) / Σⱼ exp(qᵢ·kⱼ/τ) ). Keys come from every process.
Tensor info_nce(const Tensor& queries, const Tensor& keys, double temperature);

}  // namespace tsr
