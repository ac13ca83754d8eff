// The kernel of Adam and AdamW; it has no op of its own.
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

/// Parameter and both moments after one step, one below the other. The second moment starts as a square.
Tensor step(const Tensors& in, const AdamParams& params) {
  const Tensor param = in[0].clone(), grad = in[1].clone(), first = in[2].clone(), second = in[3] * in[3];
  Context context(param.device());
  const AdamItem item{param.view(), grad.view(), first.view(), second.view(), params};
  adam_step(context, item.param, {&item, 1});
  return concat({param, first, second}, 0);
}

Tensor reference(const Tensors& in, const AdamParams& p) {
  const std::int64_t count = in[0].numel();
  Tensor result = zeros({3 * count}, float64);
  double *param = result.data<double>(), *first = param + count, *second = first + count;
  for (std::int64_t i = 0; i < count; ++i) {
    const double w = in[0].data<double>()[i], root = in[3].data<double>()[i];
    const double g = in[1].data<double>()[i] + p.weight_decay * w;
    first[i] = p.beta1 * in[2].data<double>()[i] + (1 - p.beta1) * g;
    second[i] = p.beta2 * root * root + (1 - p.beta2) * g * g;
    param[i] = p.keep * w - p.rate * first[i] / (std::sqrt(second[i]) / p.root + p.epsilon);
  }
  return result;
}

bool adam(const AdamParams& params) {
  std::vector<Variant> variants;
  for (const std::int64_t count : {0, 1, 7, 100, 40'001})
    variants.push_back({{{{count}}, {{count}}, {{count}}, {{count}, Values::positive}}});
  const Input large{{11'000'000}};
  return add_case({.name = "adam_step",
                   .kernels = {"adam_step"},
                   .call = [=](const Tensors& in) { return step(in, params); },
                   .reference = [=](const Tensors& in) { return reference(in, params); },
                   .variants = variants,
                   .differentiable = Differentiable::no,
                   .benchmark = {large, large, large, large}});
}

const bool adam_cases[] = {
    adam({.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-3, .rate = 0.3, .root = 0.7, .weight_decay = 0.2}),
    adam({.beta1 = 0.8, .beta2 = 0.999, .epsilon = 1e-8, .rate = 0.1, .root = 0.4, .keep = 0.95}),
};

}  // namespace
}  // namespace tsr::test
