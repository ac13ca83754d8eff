#pragma once
// The linear probe: multinomial logistic regression on frozen features.

#include <cstdint>
#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace tsr {

/// How features are scaled before the probe sees them. Both centre: since the bias is free, that changes
/// nothing about the optimum, only how fast it is reached. The scale does matter, through the weight decay.
enum class ProbeScaling {
  common,        ///< one factor, so that the mean variance over dimensions is 1
  per_dimension  ///< variance 1 in every dimension; constant dimensions become 0
};
const char* name_of(ProbeScaling scaling);

/// A linear classifier.
struct LinearProbe {
  Tensor weight;  ///< [D, classes]
  Tensor bias;    ///< [classes]
  int iterations = 0;
  double gradient_norm = 0;  ///< largest component at the end
  bool converged = false;

  /// Classes, int64 [N], of features [N, D].
  Tensor operator()(const Tensor& features) const;
};

/// Fits probes of several weight decays to one set of features, each starting from the one before. Minimises
/// mean cross-entropy + weight_decay/2 · ‖W‖² over W and b, W acting on the scaled features; full-batch
/// L-BFGS, preconditioned by Böhning's bound on the Hessian (Ann. Inst. Statist. Math. 1992): deterministic,
/// without step sizes to tune.
class ProbeFitter {
 public:
  /// features [N, D] (float32 or float64), labels int64 [N] in 0 … classes-1.
  ProbeFitter(const Tensor& features, Tensor labels, std::int64_t classes, ProbeScaling scaling);
  /// weight_decay > 0.
  LinearProbe fit(double weight_decay, int max_iterations = 200, double gradient_tolerance = 1e-4);

 private:
  double objective(double weight_decay, const std::vector<double>& x, std::vector<double>& gradient) const;
  LinearProbe unscaled() const;

  Tensor labels_, centre_, scale_;  // centre and scale float64 [D]
  Tensor scaled_, one_hot_, gram_;  // gram float64 [D, D]: XᵀX / N of the scaled features
  std::int64_t dims_, classes_;
  std::vector<double> parameters_;  // W [D, classes], then b [classes]
};

}  // namespace tsr
