#include "nn/clip.h"

#include <cmath>

#include "autograd/ops.h"

namespace tsr {
namespace {

double norm_of(const Tensor& grad) { return norm(grad.detach()).item(); }

/// Below 1 where a gradient of this norm is to be scaled.
double clip_factor(double norm, double max_norm) {
  return std::isfinite(norm) ? max_norm / (norm + 1e-6) : 1;
}

/// A new tensor: two leaves may share one gradient.
void scale_grad(const Tensor& parameter, double factor) {
  parameter.set_grad(parameter.grad().detach() * factor);
}

void check_max_norm(const char* name, double max_norm) {
  TSR_CHECK(max_norm > 0, name, ": max_norm ", max_norm, "; must be positive");
}

}  // namespace

double gradient_norm(const std::vector<NamedTensor>& parameters) {
  NoGrad guard;
  double squares = 0;
  for (const NamedTensor& parameter : parameters) {
    const Tensor grad = parameter.tensor.grad();
    if (!grad.defined()) continue;
    const double norm = norm_of(grad);
    squares += norm * norm;
  }
  return std::sqrt(squares);
}

double clip_gradient_norm(const std::vector<NamedTensor>& parameters, double max_norm) {
  check_max_norm("clip_gradient_norm", max_norm);
  const double norm = gradient_norm(parameters), factor = clip_factor(norm, max_norm);
  NoGrad guard;
  if (factor < 1)
    for (const NamedTensor& parameter : parameters)
      if (parameter.tensor.grad().defined()) scale_grad(parameter.tensor, factor);
  return norm;
}

double clip_each_gradient_norm(const std::vector<NamedTensor>& parameters, double max_norm) {
  check_max_norm("clip_each_gradient_norm", max_norm);
  NoGrad guard;
  double squares = 0;
  for (const NamedTensor& parameter : parameters) {
    if (!parameter.tensor.grad().defined()) continue;
    const double norm = norm_of(parameter.tensor.grad()), factor = clip_factor(norm, max_norm);
    squares += norm * norm;
    if (factor < 1) scale_grad(parameter.tensor, factor);
  }
  return std::sqrt(squares);
}

}  // namespace tsr
