// The kernel of the moving average of weights; it has no op of its own.
#include <doctest/doctest.h>

#include "tensor/kernels.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

Tensor step(const Tensors& in, double momentum) {
  Tensor target = in[0].clone();
  const Tensor source = in[1].clone();
  Context context(target.device());
  const EmaItem item{target.view(), source.view(), momentum};
  ema_step(context, item.target, {&item, 1});
  return target;
}

bool ema(double momentum) {
  std::vector<Variant> variants;
  for (const std::int64_t count : {0, 1, 7, 100, 40'001}) variants.push_back({{{{count}}, {{count}}}});
  return add_case({.name = "ema_step",
                   .kernels = {"ema_step"},
                   .call = [=](const Tensors& in) { return step(in, momentum); },
                   .reference =
                       [=](const Tensors& in) {
                         return zip(in[0], in[1], [=](double target, double source) {
                           return momentum * target + (1 - momentum) * source;
                         });
                       },
                   .variants = variants,
                   .differentiable = Differentiable::no,
                   .benchmark = {{{11'000'000}}, {{11'000'000}}}});
}

const bool ema_cases[] = {ema(0.996), ema(0), ema(1)};

}  // namespace
}  // namespace tsr::test
