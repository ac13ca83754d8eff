// The kernel of layer-wise adaptive rate scaling; it has no op of its own.
#include <array>
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

/// Where the parameters begin and end that a step updates together, each with a length of its own.
std::array<std::int64_t, 4> bounds(std::int64_t count) { return {0, count / 3, count / 2, count}; }

/// Parameters and velocities after one step, the latter below the former.
Tensor step(const Tensors& in, const LarsParams& params) {
  const Tensor param = in[0].clone(), grad = in[1].clone(), velocity = in[2].clone();
  const auto bound = bounds(param.numel());
  std::vector<LarsItem> items;
  for (std::size_t i = 0; i + 1 < bound.size(); ++i) {
    const auto part = [&](const Tensor& x) { return slice(x, 0, bound[i], bound[i + 1]).view(); };
    items.push_back({part(param), part(grad), part(velocity), params});
  }
  Context context(param.device());
  lars_step(context, items.front().param, items);
  return concat({param, velocity}, 0);
}

double length(const double* x, std::int64_t count) {
  double squares = 0;
  for (std::int64_t i = 0; i < count; ++i) squares += x[i] * x[i];
  return std::sqrt(squares);
}

Tensor reference(const Tensors& in, const LarsParams& p) {
  const std::int64_t count = in[0].numel();
  Tensor result = concat({in[0], in[2]}, 0);
  double *param = result.data<double>(), *velocity = param + count;
  const auto* grad = in[1].data<double>();
  const auto bound = bounds(count);
  for (std::size_t part = 0; part + 1 < bound.size(); ++part) {
    const std::int64_t begin = bound[part], end = bound[part + 1];
    const double weight = length(param + begin, end - begin), gradient = length(grad + begin, end - begin);
    const double ratio =
        p.adapt && weight > 0 && gradient > 0 ? p.trust * weight / (gradient + p.weight_decay * weight) : 1;
    for (std::int64_t i = begin; i < end; ++i) {
      velocity[i] =
          p.momentum * velocity[i] + p.learning_rate * ratio * (grad[i] + p.weight_decay * param[i]);
      param[i] -= velocity[i];
    }
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
