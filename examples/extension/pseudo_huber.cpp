// An op: its slot, its CPU kernel, its backward beside its forward, and the case that checks all of them.
#include "pseudo_huber.h"

#include <cmath>

#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/cpu/scalar_kernel.h"
#include "tests/ops/op_case.h"

namespace {

using namespace tsr;

UnaryKernel pseudo_huber_fwd{"pseudo_huber_fwd"};

/// x² / (√(1 + x²) + 1) is the same, and exact near 0.
struct PseudoHuber {
  template <class T>
  T operator()(T x) const {
    return x * x / (std::sqrt(1 + x * x) + 1);
  }
};
TSR_SCALAR_KERNEL(pseudo_huber_fwd, PseudoHuber);

const OpInfo kPseudoHuber("pseudo_huber");

}  // namespace

Tensor pseudo_huber(const Tensor& x) {
  Op op(kPseudoHuber, {x});
  Tensor y = op.empty(x.shape());
  pseudo_huber_fwd(op, x.view(), y.view());
  return op.record(y, [x = op.save(x), y = op.save(y)](const Tensor& grad, const Needs&) {
    return Tensors{grad * x.get() / (y.get() + 1.0)};
  });
}

namespace {

using namespace tsr::test;

double reference(double x) { return std::sqrt(1 + x * x) - 1; }

const bool added = add_case({.name = "pseudo_huber",
                             .kernels = {"pseudo_huber_fwd"},
                             .call = [](const Tensors& x) { return pseudo_huber(x[0]); },
                             .reference = [](const Tensors& x) { return map(x[0], reference); },
                             .variants = unary_variants(Values::normal)});

}  // namespace
