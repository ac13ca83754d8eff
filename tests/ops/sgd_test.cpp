// The kernel of stochastic gradient descent; it has no op of its own.
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

/// Parameter and velocity after one step, the latter below the former.
Tensor step(const Tensors& in, const SgdParams& params, bool momentum) {
  const Tensor param = in[0].clone(), grad = in[1].clone(), velocity = in[2].clone();
  Context context(param.device());
  const SgdItem item{param.view(), grad.view(), momentum ? velocity.view() : View{}, params};
  sgd_step(context, item.param, {&item, 1});
  return concat({param, velocity}, 0);
}

Tensor reference(const Tensors& in, const SgdParams& p, bool momentum) {
  const std::int64_t count = in[0].numel();
  Tensor result = concat({in[0], in[2]}, 0);
  double *param = result.data<double>(), *velocity = param + count;
  for (std::int64_t i = 0; i < count; ++i) {
    const double scaled = p.scale * (in[1].data<double>()[i] + p.weight_decay * param[i]);
    if (momentum) velocity[i] = p.momentum * velocity[i] + scaled;
    const double direction = !momentum    ? scaled
                             : p.nesterov ? scaled + p.momentum * velocity[i]
                                          : velocity[i];
    param[i] -= p.learning_rate * direction;
  }
  return result;
}

bool sgd(const SgdParams& params, bool momentum) {
  std::vector<Variant> variants;
  for (const std::int64_t count : {0, 1, 7, 100, 40'001})
    variants.push_back({{{{count}}, {{count}}, {{count}}}});
  return add_case({.name = "sgd_step",
                   .kernels = {"sgd_step"},
                   .call = [=](const Tensors& in) { return step(in, params, momentum); },
                   .reference = [=](const Tensors& in) { return reference(in, params, momentum); },
                   .variants = variants,
                   .differentiable = Differentiable::no,
                   .benchmark = {{{11'000'000}}, {{11'000'000}}, {{11'000'000}}}});
}

const bool sgd_cases[] = {
    sgd({.learning_rate = 0.3}, false),
    sgd({.learning_rate = 0.3, .weight_decay = 0.2, .scale = 0.7}, false),
    sgd({.learning_rate = 0.3, .momentum = 0.9, .weight_decay = 0.2, .scale = 0.7}, true),
    sgd({.learning_rate = 0.3, .momentum = 0.9, .weight_decay = 0.2, .scale = 0.7, .nesterov = true}, true),
};

}  // namespace
}  // namespace tsr::test
