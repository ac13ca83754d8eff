#pragma once
// Cases of ops of one and two inputs, from a function of doubles.

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {

using UnaryOp = Tensor (*)(const Tensor&);
using BinaryOp = Tensor (*)(const Tensor&, const Tensor&);

/// Everything but the values of a case of `name`, exercising the slot name_fwd unless another is given.
inline bool unary_case(const std::string& name, const std::function<Tensor(const Tensor&)>& op,
                       double (*f)(double), Values values, const std::vector<Variant>& extra = {},
                       const std::string& kernel = "") {
  std::vector<Variant> variants = unary_variants(values);
  variants.insert(variants.end(), extra.begin(), extra.end());
  return add_case({.name = name,
                   .kernels = {kernel.empty() ? name + "_fwd" : kernel},
                   .call = [op](const Tensors& x) { return op(x[0]); },
                   .reference = [f](const Tensors& x) { return map(x[0], f); },
                   .variants = variants,
                   .benchmark = {{{256, 32, 32, 64}, values}}});
}

inline bool binary_case(const std::string& name, BinaryOp op, double (*f)(double, double), Values values,
                        Differentiable differentiable = Differentiable::twice,
                        const std::string& kernel = "") {
  return add_case({.name = name,
                   .kernels = {kernel.empty() ? name + "_fwd" : kernel},
                   .call = [op](const Tensors& x) { return op(x[0], x[1]); },
                   .reference = [f](const Tensors& x) { return zip(x[0], x[1], f); },
                   .variants = binary_variants(values),
                   .differentiable = differentiable,
                   .benchmark = {{{256, 32, 32, 64}, values}, {{256, 32, 32, 64}, values}}});
}

/// A gradient that has a kernel of its own, name_bwd: grad · slope(x), in both dtypes.
inline bool backward_case(const std::string& name, const std::function<Tensor(const Tensor&)>& op,
                          double (*slope)(double), Values values) {
  return add_case({.name = name + "_backward",
                   .kernels = {name + "_bwd"},
                   .call =
                       [op](const Tensors& x) {
                         const GradMode record(true);  // values are asked for under NoGrad
                         Tensor point = x[1].detach();
                         point.requires_grad_();
                         return grad(op(point), {point}, x[0])[0];
                       },
                   .reference =
                       [slope](const Tensors& x) {
                         return zip(x[0], x[1], [slope](double g, double v) { return g * slope(v); });
                       },
                   .variants = {{{{{3, 5}}, {{3, 5}, values}}},
                                {{{{2, 9}}, {{2, 9}, Values::huge}}},
                                {{{{50, 900}}, {{50, 900}, values}}}},
                   .differentiable = Differentiable::no});
}

/// Values that are huge, and all equal.
inline const std::vector<Variant> kExtreme{{{{{2, 9}, Values::huge}}, false}, {{{{3, 3}, Values::equal}}}};

}  // namespace tsr::test
