// The kernel of layer-wise adaptive rate scaling; it has no op of its own.
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

/// Parameter and velocity after one step, the latter below the former.
Tensor step(const Tensors& in, const LarsParams& params) {
  const Tensor param = in[0].clone(), grad = in[1].clone(), velocity = in[2].clone();
  Context context(param.device());
  const LarsItem item{param.view(), grad.view(), velocity.view(), params};
  lars_step(context, item.param, {&item, 1});
  return concat({param, velocity}, 0);
}

double length(const Tensor& x) {
  double squares = 0;
  for (std::int64_t i = 0; i < x.numel(); ++i) squares += x.data<double>()[i] * x.data<double>()[i];
  return std::sqrt(squares);
}

Tensor reference(const Tensors& in, const LarsParams& p) {
  const std::int64_t count = in[0].numel();
  const double weight = length(in[0]), gradient = length(in[1]);
  const double ratio =
      p.adapt && weight > 0 && gradient > 0 ? p.trust * weight / (gradient + p.weight_decay * weight) : 1;
  Tensor result = concat({in[0], in[2]}, 0);
  double *param = result.data<double>(), *velocity = param + count;
  for (std::int64_t i = 0; i < count; ++i) {
    const double g = in[1].data<double>()[i] + p.weight_decay * param[i];
    velocity[i] = p.momentum * velocity[i] + p.learning_rate * ratio * g;
    param[i] -= velocity[i];
  }
  return result;
}

bool lars(const LarsParams& params) {
  std::vector<Variant> variants;
  for (const std::int64_t count : {0, 1, 7, 100, 40'001})
    variants.push_back({{{{count}}, {{count}}, {{count}}}});
  return add_case({.name = "lars_step",
                   .kernels = {"lars_step"},
                   .call = [=](const Tensors& in) { return step(in, params); },
                   .reference = [=](const Tensors& in) { return reference(in, params); },
                   .variants = variants,
                   .differentiable = Differentiable::no,
                   .benchmark = {{{11'000'000}}, {{11'000'000}}, {{11'000'000}}}});
}

const bool lars_cases[] = {
    lars({.learning_rate = 0.3, .momentum = 0.9, .weight_decay = 0.2, .trust = 0.5}),
    lars({.learning_rate = 0.3, .momentum = 0.9, .trust = 0.1, .adapt = false}),
};

}  // namespace
}  // namespace tsr::test
