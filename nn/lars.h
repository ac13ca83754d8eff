#pragma once
// Layer-wise adaptive rate scaling.

#include "nn/optimizer.h"

namespace tsr {

struct LarsOptions {
  Schedule momentum = 0.9;
  double trust = 0.001;  ///< the trust coefficient
};

/// Layer-wise adaptive rate scaling (You, Gitman and Ginsburg, "Large Batch Training of Convolutional
/// Networks", 2017): a = trust·‖w‖ / (‖g‖ + λ·‖w‖), 1 where either norm is 0 or the group isn't adapted; v ←
/// m·v + η·a·(g + λ·w);  w ← w - v.
class Lars final : public Optimizer {
 public:
  explicit Lars(std::vector<ParamGroup> groups, const LarsOptions& options = {});

 protected:
  void update(const std::vector<Turn>& turns) override;

 private:
  LarsOptions options_;
};

}  // namespace tsr
