#include "autograd/gradcheck.h"

#include <cmath>

#include "autograd/ops.h"
#include "tensor/random.h"

namespace tsr {
namespace {

using Function = std::function<Tensor(const Tensors&)>;

Tensors leaves(const Tensors& inputs) {
  Tensors result;
  for (const Tensor& input : inputs) {
    result.push_back(input.clone());
    if (!is_floating(input.dtype())) continue;
    TSR_CHECK(input.dtype() == float64, "gradcheck: input ", describe(input), "; use float64");
    result.back().requires_grad_();
  }
  return result;
}

/// Σ w·y for fixed random w in [0.5, 1.5): no symmetry of y hides an error.
Tensor project(const Tensor& y, std::uint64_t seed) {
  Generator generator(seed);
  return sum(y * uniform(y.shape(), generator, 0.5, 1.5, y.dtype(), y.device()));
}

Tensors floating(const Tensors& tensors) {
  Tensors result;
  for (const Tensor& tensor : tensors)
    if (is_floating(tensor.dtype())) result.push_back(tensor);
  return result;
}

/// The projected gradient of f as a function of the same inputs: its gradient is f's second derivative.
Function gradient_of(const Function& f) {
  return [f](const Tensors& inputs) {
    const Tensors wanted = floating(inputs);
    const Tensors grads = grad(project(f(inputs), 1), wanted, {}, {.create_graph = true});
    Tensor total;
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (!grads[i].defined()) continue;
      const Tensor part = project(grads[i], 100 + i);
      total = total.defined() ? total + part : part;
    }
    return total;
  };
}

double value_at(const Function& f, const Tensors& inputs, bool second) {
  if (second) {
    const Tensor y = f(inputs);
    return y.defined() ? y.item() : 0;
  }
  NoGrad guard;
  return project(f(inputs), 1).item();
}

}  // namespace

std::string gradcheck(const Function& f, const Tensors& inputs, const GradcheckOptions& options) {
  const Function checked = options.second ? gradient_of(f) : f;
  const Tensors points = leaves(inputs), wanted = floating(points);
  const Tensor y = options.second ? checked(points) : project(checked(points), 1);
  const bool on_tape = y.defined() && y.requires_grad();
  if (!on_tape && !options.second) return "gradcheck: the output needs no gradient";
  // A gradient off the tape claims to be constant, as a linear op's is: finite differences must agree.
  const Tensors analytic = on_tape ? grad(y, wanted) : Tensors(wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    auto* values = wanted[i].data<double>();
    const Tensor slope = analytic[i].defined() ? contiguous(analytic[i]) : zeros(wanted[i].shape(), float64);
    for (std::int64_t e = 0; e < wanted[i].numel(); ++e) {
      const double kept = values[e];
      values[e] = kept + options.step;
      const double above = value_at(checked, points, options.second);
      values[e] = kept - options.step;
      const double below = value_at(checked, points, options.second);
      values[e] = kept;
      const double numeric = (above - below) / (2 * options.step), ours = slope.data<double>()[e];
      if (!(std::abs(ours - numeric) <= options.tolerance * std::max(1.0, std::abs(numeric))))
        return text("gradcheck: input ", i, " element ", e, ": backward gives ", ours,
                    ", finite differences give ", numeric);
    }
  }
  return "";
}

}  // namespace tsr
