#pragma once
// Adam, and AdamW with its decoupled decay.

#include "nn/optimizer.h"

namespace tsr {

struct AdamOptions {
  Schedule beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
};

/// Adam (Kingma and Ba, ICLR 2015) in PyTorch's form: at a parameter's t-th step
///   m ← m + (1 - β₁)·(g + λ·w - m);   v ← β₂·v + (1 - β₂)·(g + λ·w)²;
///   w ← w - η/(1 - β₁ᵗ) · m / (√v/√(1 - β₂ᵗ) + ε).
class Adam : public Optimizer {
 public:
  explicit Adam(std::vector<ParamGroup> groups, const AdamOptions& options = {});

 protected:
  void update(const std::vector<Turn>& turns) override;
  /// The updates, with the decay in the moments or decoupled from them.
  void adam(const std::vector<Turn>& turns, bool decoupled) const;

 private:
  AdamOptions options_;
};

/// AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019) in PyTorch's form: first
/// w ← (1 - η·λ)·w, then Adam without decay.
class AdamW final : public Adam {
 public:
  using Adam::Adam;

 protected:
  void update(const std::vector<Turn>& turns) override;
};

}  // namespace tsr
