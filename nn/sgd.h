#pragma once
// Stochastic gradient descent with momentum.

#include "nn/optimizer.h"

namespace tsr {

struct SgdOptions {
  Schedule momentum = 0.9;
  bool nesterov = false;
};

/// v ← m·v + g + λ·w;  w ← w - η·v (or, with nesterov, w - η·(g + λ·w + m·v)): PyTorch's form.
class Sgd final : public Optimizer {
 public:
  explicit Sgd(std::vector<ParamGroup> groups, const SgdOptions& options = {});

 protected:
  void update(const std::vector<Turn>& turns) override;

 private:
  SgdOptions options_;
};

}  // namespace tsr
