// Matrix products.
#include <algorithm>

#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kMatmul("matmul", CastPolicy::low), kLinear("linear", CastPolicy::low);

/// A shape without its last two sizes.
Shape leading(const Tensor& x) { return Shape({x.shape().begin(), static_cast<std::size_t>(x.rank() - 2)}); }

/// x's leading axes broadcast to `batch`, unknown to autograd.
View batched(const Tensor& x, const Shape& batch) {
  Shape shape = batch;
  shape.push_back(x.size(-2));
  shape.push_back(x.size(-1));
  NoGrad guard;
  return broadcast_to(x, shape).view();
}

void check_matmul(const Tensor& a, const Tensor& b) {
  TSR_CHECK(a.rank() >= 2 && b.rank() >= 2, "matmul: a ", describe(a), " x b ", describe(b),
            ": both need two axes at least; reshape a vector to a row or a column");
  const Shape left = leading(a), right = leading(b);
  for (int i = 1; i <= std::min(left.rank(), right.rank()); ++i) {
    const std::int64_t m = left[left.rank() - i], n = right[right.rank() - i];
    TSR_CHECK(m == n || m == 1 || n == 1, "matmul: a ", describe(a), " x b ", describe(b), ": leading sizes ",
              m, " and ", n, " differ and neither is 1");
  }
  const std::int64_t inner_a = a.size(-1), inner_b = b.size(-2);
  if (inner_a == inner_b) return;
  const char* hint = inner_a == b.size(-1)      ? "; did you mean transpose(b)?"
                     : a.size(-2) == inner_b    ? "; did you mean transpose(a)?"
                     : a.size(-2) == b.size(-1) ? "; did you mean matmul(b, a)?"
                                                : "";
  throw Error(text("matmul: a ", describe(a), " x b ", describe(b), ": inner sizes ", inner_a, " and ",
                   inner_b, " differ", hint));
}

/// x [..., n] as a matrix [rows, n].
Tensor as_rows(const Tensor& x) {
  std::int64_t rows = 1;
  for (int axis = 0; axis + 1 < x.rank(); ++axis) rows *= x.shape()[axis];
  return reshape(x, {rows, x.size(-1)});
}

/// The gradient of b [..., k, n]. Where b has no leading axes, those of a and grad are rows of one product,
/// so that no batch of products has to be summed.
Tensor gradient_of_b(const Tensor& a, const Tensor& b, const Tensor& grad) {
  if (b.rank() == 2) return matmul(transpose(as_rows(a)), as_rows(grad));
  return sum_to(matmul(transpose(a), grad), b.shape());
}

void check_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  TSR_CHECK(weight.rank() == 2 && x.rank() >= 1, "linear: x ", describe(x), ", weight ", describe(weight),
            "; need x [..., in] and weight [out, in]");
  TSR_CHECK(x.size(-1) == weight.size(1), "linear: x ", describe(x), ", weight ", describe(weight),
            ": inner sizes ", x.size(-1), " and ", weight.size(1), " differ",
            x.size(-1) == weight.size(0) ? "; weight is [out, in], did you mean transpose(weight)?" : "");
  TSR_CHECK(!bias.defined() || bias.shape() == Shape{weight.size(0)}, "linear: bias ", describe(bias),
            " for weight ", describe(weight), "; need one value an output, [", weight.size(0), "]");
}

}  // namespace

Tensor matmul(const Tensor& given_a, const Tensor& given_b) {
  Op op(kMatmul, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  check_matmul(a, b);
  const Shape batch = broadcast_shapes("matmul", leading(a), leading(b));
  Shape shape = batch;
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-1));
  const Tensor y = op.empty(shape);
  matmul_fwd(op, batched(a, batch), batched(b, batch), y.view());
  return op.record(y, [a = op.save(a), b = op.save(b)](const Tensor& grad, const Needs& needs) {
    const Tensor left = a.get(), right = b.get();
    return Tensors{needs[0] ? sum_to(matmul(grad, transpose(right)), left.shape()) : Tensor(),
                   needs[1] ? gradient_of_b(left, right, grad) : Tensor()};
  });
}

Tensor linear(const Tensor& given_x, const Tensor& given_weight, const Tensor& given_bias) {
  Op op = given_bias.defined() ? Op(kLinear, {given_x, given_weight, given_bias})
                               : Op(kLinear, {given_x, given_weight});
  const Tensor &x = op[0], &weight = op[1], bias = given_bias.defined() ? op[2] : Tensor();
  check_linear(x, weight, bias);
  Shape shape = x.shape();
  shape[x.rank() - 1] = weight.size(0);
  const Tensor y = op.empty(shape);
  const Tensor rows = as_rows(x.detach()),
               dense_bias = bias.defined() && !bias.is_contiguous() ? bias.clone() : bias;
  linear_fwd(op, rows.view(), weight.view(), bias.defined() ? dense_bias.view() : View{},
             y.as_strided({rows.size(0), weight.size(0)}, {weight.size(0), 1}, 0).view());
  return op.record(y, [x = op.save(x), weight = op.save(weight), biased = bias.defined()](
                          const Tensor& grad, const Needs& needs) {
    Tensors grads{needs[0] ? reshape(matmul(as_rows(grad), weight.get()), x.get().shape()) : Tensor(),
                  needs[1] ? matmul(transpose(as_rows(grad)), as_rows(x.get())) : Tensor()};
    if (biased) grads.push_back(needs[2] ? sum_to(grad, {grad.size(-1)}) : Tensor());
    return grads;
  });
}

}  // namespace tsr
