// The step of layer-wise adaptive rate scaling: the norms, then the step of SGD with a scale for each tensor.

#include <vector>

#include "tensor/kernels.h"

namespace tsr::cpu {
namespace {

template <class T>
double norm_of(Context& context, const View& x) {
  T result;
  View y = x;
  y.data = &result;
  for (int axis = 0; axis < y.rank; ++axis) y.size[axis] = 1;
  norm_fwd(context, x, y);
  return static_cast<double>(result);
}

template <class T>
double trust_ratio(Context& context, const LarsItem& item) {
  if (!item.params.adapt) return 1;
  const double weight = norm_of<T>(context, item.param), gradient = norm_of<T>(context, item.grad);
  if (!(weight > 0 && gradient > 0)) return 1;
  return item.params.trust * weight / (gradient + item.params.weight_decay * weight);
}

template <class T>
void lars(Context& context, View first, std::span<const LarsItem> items) {
  std::vector<SgdItem> steps;
  for (const LarsItem& item : items)
    steps.push_back({item.param,
                     item.grad,
                     item.buffer,
                     {.learning_rate = 1,
                      .momentum = item.params.momentum,
                      .weight_decay = item.params.weight_decay,
                      .scale = item.params.learning_rate * trust_ratio<T>(context, item)}});
  sgd_step(context, first, steps);
}

TSR_CPU_KERNEL(lars_step, lars, float, double);

}  // namespace
}  // namespace tsr::cpu
