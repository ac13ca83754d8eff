#pragma once
// Limited-memory BFGS for smooth convex functions.

#include <cstdint>
#include <functional>
#include <vector>

namespace tsr {

/// Returns f(x) and writes its gradient.
using Objective = std::function<double(const std::vector<double>& x, std::vector<double>& gradient)>;

struct LbfgsOptions {
  int history = 20;  ///< pairs of steps and gradient changes kept
  int max_iterations = 200;
  double gradient_tolerance = 1e-5;  ///< stop when no component of the gradient is larger
  double rounding = 1e-6;            ///< relative error to expect in f's values
  /// v ← H·v with H a symmetric positive guess at the inverse Hessian; the identity when empty.
  std::function<void(std::vector<double>& v)> precondition = {};
};

struct LbfgsResult {
  std::vector<double> x;
  double value = 0;
  double gradient_norm = 0;  ///< the largest component's magnitude
  int iterations = 0;
  bool converged = false;  ///< within the tolerance, rather than out of iterations or of progress
};

/// Minimises f from x (Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithm 7.5). Steps are
/// shortened until they meet Armijo's condition, or, where rounding hides the decrease, Hager and Zhang's
/// approximate Wolfe condition (SIAM J. Optim. 2005, equation 4.1). Serial, so the same bits every time.
LbfgsResult lbfgs(const Objective& f, std::vector<double> x, const LbfgsOptions& options = {});

}  // namespace tsr
