#pragma once
// Cases of reductions, from a function of the values that fall on one element of the result.

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {

using Fold = std::function<double(const std::vector<double>&)>;

inline bool is_among(const Shape& axes, int axis, int rank) {
  bool found = axes.empty();
  for (std::int64_t given : axes) found = found || (given < 0 ? given + rank : given) == axis;
  return found;
}

/// f over the values that fall on each element of the result.
inline Tensor reduce_reference(const Tensor& x, const Shape& axes, bool keepdim, const Fold& f) {
  Shape shape, kept = x.shape();
  for (int axis = 0; axis < x.rank(); ++axis) {
    const bool reduced = is_among(axes, axis, x.rank());
    if (reduced) kept[axis] = 1;
    if (!reduced || keepdim) shape.push_back(kept[axis]);
  }
  const Shape step = dense_strides(kept);
  std::vector<std::vector<double>> groups(static_cast<std::size_t>(kept.numel()));
  for (std::int64_t flat = 0; flat < x.numel(); ++flat) {
    std::int64_t rest = flat, target = 0;
    for (int axis = x.rank() - 1; axis >= 0; --axis) {
      if (kept[axis] != 1) target += rest % x.shape()[axis] * step[axis];
      rest /= x.shape()[axis];
    }
    groups[static_cast<std::size_t>(target)].push_back(x.data<double>()[flat]);
  }
  Tensor y(shape, float64, Device::cpu);
  for (std::size_t i = 0; i < groups.size(); ++i) y.data<double>()[i] = f(groups[i]);
  return y;
}

inline double total(const std::vector<double>& values) {
  double result = 0;
  for (double value : values) result += value;
  return result;
}
inline double largest(const std::vector<double>& values) {
  double result = -INFINITY;
  for (double value : values) result = std::max(result, value);
  return result;
}
inline double average(const std::vector<double>& values) {
  return total(values) / static_cast<double>(values.size());
}

inline double log_sum_exp(const std::vector<double>& values) {
  const double top = largest(values);
  double result = 0;
  for (double value : values) result += std::exp(value - top);
  return top + std::log(result);
}

using AxesReduction = std::function<Tensor(const Tensor&, const Shape&, bool)>;

/// One case for a choice of axes: every choice meets dense, permuted, huge and equal inputs of rank 3.
inline bool reduction(const char* name, std::vector<std::string> kernels, const AxesReduction& op,
                      const Fold& f, Shape axes, bool keepdim, Values values) {
  return add_case(
      {.name = name,
       .kernels = std::move(kernels),
       .call = [op, axes, keepdim](const Tensors& x) { return op(x[0], axes, keepdim); },
       .reference = [f, axes, keepdim](const Tensors& x) { return reduce_reference(x[0], axes, keepdim, f); },
       .variants = {{{{{2, 3, 5}, values}}},
                    {{{{3, 1, 7}, values}}},
                    {{{{4, 3, 6}, values, 0, true}}},
                    {{{{2, 2, 33}, values}}},
                    {{{{3, 70, 5}, values}}, false},
                    {{{{17, 40, 300}, values}}, false},
                    {{{{300, 9, 70}, values, 0, true}}, false},
                    {{{{5, 2000, 19}, Values::equal}}, false},
                    {{{{3, 3, 9}, Values::huge}}, false}},
       .tolerance32 = 1e-6,
       .benchmark = {{{256, 1024, 64}, values}}});
}

inline bool all_axes(const char* name, const std::vector<std::string>& kernels, const AxesReduction& op,
                     const Fold& f, Values values) {
  for (const Shape& axes :
       {Shape{}, Shape{0}, Shape{1}, Shape{2}, Shape{0, 1}, Shape{1, 2}, Shape{0, -1}, Shape{2, 0, 1}})
    reduction(name, kernels, op, f, axes, axes.rank() == 2, values);
  return true;
}

/// The same for fewer choices.
inline bool some_axes(const char* name, const std::vector<std::string>& kernels, const AxesReduction& op,
                      const Fold& f, Values values) {
  for (const Shape& axes : {Shape{}, Shape{1}, Shape{0, 2}})
    reduction(name, kernels, op, f, axes, axes.rank() == 2, values);
  return true;
}

}  // namespace tsr::test
