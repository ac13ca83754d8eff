// Comparisons, logic, and choice by a mask.
#include <limits>

#include "autograd/ops/pointwise.h"

namespace tsr {
namespace {

const OpInfo kEq("eq", CastPolicy::widest), kLt("lt", CastPolicy::widest), kLe("le", CastPolicy::widest),
    kAnd("logical_and"), kOr("logical_or"), kXor("logical_xor"), kNot("logical_not"),
    kWhere("where", CastPolicy::widest);

Tensor compare(const OpInfo& info, const BinaryKernel& kernel, const Tensor& given_a, const Tensor& given_b) {
  Op op(info, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  check_same_dtype(info.name, a, b);
  check_dtype(info.name, kernel, a);
  Tensor y = op.empty(broadcast_shapes(info.name, a.shape(), b.shape()), boolean);
  kernel(op, a.view(), b.view(), y.view());
  return y;
}

void check_bool(const char* op, const Tensor& x) {
  TSR_CHECK(x.dtype() == boolean, op, ": ", describe(x), " is not bool; compare first, as in ne(x, 0)");
}

Tensor logic(const OpInfo& info, const BinaryKernel& kernel, const Tensor& a, const Tensor& b) {
  Op op(info, {a, b});
  check_bool(info.name, a);
  check_bool(info.name, b);
  return run_binary(op, kernel, a, b);
}

}  // namespace

Tensor eq(const Tensor& a, const Tensor& b) { return compare(kEq, eq_fwd, a, b); }
Tensor lt(const Tensor& a, const Tensor& b) { return compare(kLt, lt_fwd, a, b); }
Tensor le(const Tensor& a, const Tensor& b) { return compare(kLe, le_fwd, a, b); }
Tensor ne(const Tensor& a, const Tensor& b) { return logical_not(eq(a, b)); }
Tensor gt(const Tensor& a, const Tensor& b) { return lt(b, a); }
Tensor ge(const Tensor& a, const Tensor& b) { return le(b, a); }

Tensor isnan(const Tensor& x) { return ne(x, x); }
Tensor isinf(const Tensor& x) {
  if (!is_floating(x.dtype())) return ne(x, x);
  return eq(abs(x.detach()), std::numeric_limits<double>::infinity());
}
Tensor isfinite(const Tensor& x) {
  if (!is_floating(x.dtype())) return eq(x, x);
  return lt(abs(x.detach()), std::numeric_limits<double>::infinity());
}

Tensor logical_and(const Tensor& a, const Tensor& b) { return logic(kAnd, logical_and_fwd, a, b); }
Tensor logical_or(const Tensor& a, const Tensor& b) { return logic(kOr, logical_or_fwd, a, b); }
Tensor logical_xor(const Tensor& a, const Tensor& b) { return logic(kXor, logical_xor_fwd, a, b); }
Tensor logical_not(const Tensor& x) {
  Op op(kNot, {x});
  check_bool("logical_not", x);
  return run_unary(op, logical_not_fwd, x);
}

Tensor where(const Tensor& condition, const Tensor& given_a, const Tensor& given_b) {
  Op op(kWhere, {given_a, given_b, condition});
  const Tensor &a = op[0], &b = op[1];
  TSR_CHECK(condition.dtype() == boolean, "where: the condition is ", describe(condition),
            ", not bool; compare first, as in eq(x, y)");
  check_same_dtype("where", a, b);
  const Shape both = broadcast_shapes("where", a.shape(), b.shape());
  Tensor y = op.empty(broadcast_shapes("where", both, condition.shape()));
  where_fwd(op, a.view(), b.view(), condition.view(), y.view());
  return op.record(y, [condition = op.save(condition), sa = a.shape(), sb = b.shape()](const Tensor& grad,
                                                                                       const Needs& needs) {
    const Tensor zero = scalar_like(0, grad);
    return Tensors{share(needs[0], sa, [&] { return where(condition.get(), grad, zero); }),
                   share(needs[1], sb, [&] { return where(condition.get(), zero, grad); }),
                   {}};
  });
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  TSR_CHECK(mask.dtype() == boolean, "masked_fill: the mask is ", describe(mask),
            ", not bool; compare first, as in lt(x, y)");
  return where(mask, scalar_like(value, x), x);
}

}  // namespace tsr
