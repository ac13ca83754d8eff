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
class Projection {
 public:
  explicit Projection(std::uint64_t seed) : generator_(seed) {}
  Tensor operator()(const Tensor& y) {
    if (!w_.defined()) w_ = uniform(y.shape(), generator_, 0.5, 1.5, y.dtype(), y.device());
    return sum(y * w_);
  }

 private:
  Generator generator_;
  Tensor w_;
};

Tensors floating(const Tensors& tensors) {
  Tensors result;
  for (const Tensor& tensor : tensors)
    if (is_floating(tensor.dtype())) result.push_back(tensor);
  return result;
}

/// f made a number.
Function projected(const Function& f) {
  return [f, project = Projection(1)](const Tensors& inputs) mutable { return project(f(inputs)); };
}

/// The projected gradient of f, which is a number, as a function of the same inputs: its gradient is f's
/// second derivative.
Function gradient_of(const Function& f) {
  return [f, projections = std::vector<Projection>()](const Tensors& inputs) mutable {
    const Tensors grads = grad(f(inputs), floating(inputs), {}, {.create_graph = true});
    Tensor total;
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (i == projections.size()) projections.emplace_back(100 + i);
      if (!grads[i].defined()) continue;
      const Tensor part = projections[i](grads[i]);
      total = total.defined() ? total + part : part;
    }
    return total;
  };
}

/// 0 where f has no value: a gradient that isn't there.
double value_at(const Function& f, const Tensors& inputs) {
  const Tensor y = f(inputs);
  return y.defined() ? y.item() : 0;
}

}  // namespace

std::string gradcheck(const Function& f, const Tensors& inputs, const GradcheckOptions& options) {
  const Function checked = options.second ? gradient_of(projected(f)) : projected(f);
  const Tensors points = leaves(inputs), wanted = floating(points);
  const Tensor y = checked(points);
  const bool on_tape = y.defined() && y.requires_grad();
  if (!on_tape && !options.second) return "gradcheck: the output needs no gradient";
  // A gradient off the tape claims to be constant, as a linear op's is: finite differences must agree.
  const Tensors analytic = on_tape ? grad(y, wanted) : Tensors(wanted.size());
  const GradMode tape(options.second);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    auto* values = wanted[i].data<double>();
    const Tensor slope = analytic[i].defined() ? contiguous(analytic[i]) : zeros(wanted[i].shape(), float64);
    for (std::int64_t e = 0; e < wanted[i].numel(); ++e) {
      const double kept = values[e];
      values[e] = kept + options.step;
      const double above = value_at(checked, points);
      values[e] = kept - options.step;
      const double below = value_at(checked, points);
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
