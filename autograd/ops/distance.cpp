// Similarity and distance of vectors.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kCdist("cdist", true, CastPolicy::full);

/// a [batch, m, d], b [batch, n, d], dense.
Tensor batched_cdist(const Tensor& given_a, const Tensor& given_b, double p) {
  Op op(kCdist, {given_a, given_b});
  const Tensor &a = op[0], &b = op[1];
  const DType wide = compute_dtype(a.dtype());  // of lengths: the backward compares with them
  const Tensor length = op.empty({a.shape()[0], a.shape()[1], b.shape()[1]}, wide);
  cdist_fwd(op, a.view(), b.view(), length.view(), p);
  const Tensor y = length.to(a.dtype());
  return op.record(y, [a = op.save(a), b = op.save(b), length = op.save(length), p](const Tensor& grad,
                                                                                    const Needs& needs) {
    const Tensor left = a.get(), right = b.get(), lengths = length.get();
    Context context(grad.device());
    const auto gradient = [&](const Tensor& slopes, const Tensor& from, const Tensor& to,
                              const Tensor& sizes) {
      Tensor result(from.shape(), from.dtype(), from.device());
      cdist_bwd(context, slopes.view(), from.view(), to.view(), sizes.view(), result.view(), p);
      return result;
    };
    return Tensors{needs[0] ? gradient(grad, left, right, lengths) : Tensor(),
                   needs[1] ? gradient(transpose(grad), right, left, transpose(lengths)) : Tensor()};
  });
}

/// x [..., rows, d] repeated to the batch's leading axes, which become one.
Tensor in_batch(const Tensor& x, const Shape& leading) {
  Shape shape = leading;
  shape.push_back(x.size(-2));
  shape.push_back(x.size(-1));
  return contiguous(reshape(broadcast_to(x, shape), {leading.numel(), x.size(-2), x.size(-1)}));
}

Shape leading_of(const Tensor& x) {
  Shape shape = x.shape();
  shape.erase(shape.rank() - 1);
  shape.erase(shape.rank() - 1);
  return shape;
}

}  // namespace

Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t axis, double epsilon) {
  TSR_CHECK(epsilon > 0, "cosine_similarity: epsilon is ", epsilon, "; it must be positive");
  TSR_CHECK(a.rank() == b.rank(), "cosine_similarity: ", describe(a), " and ", describe(b),
            " differ in rank; unsqueeze() one");
  const auto length = [&](const Tensor& x) { return clamp(norm(x, {axis}, true), epsilon); };
  return composed(a, [&](const Tensor& wide_a) {
    const Tensor wide_b = cast(b, compute_dtype(b.dtype()));
    return squeeze(sum(wide_a * wide_b, {axis}, true) / (length(wide_a) * length(wide_b)), axis);
  });
}

Tensor cdist(const Tensor& a, const Tensor& b, double p) {
  TSR_CHECK(a.rank() >= 2 && b.rank() >= 2 && a.size(-1) == b.size(-1), "cdist: a ", describe(a), " and b ",
            describe(b), "; need [..., m, d] and [..., n, d]");
  TSR_CHECK(p >= 1, "cdist: p = ", p, " gives no distance; choose at least 1");
  Shape shape = broadcast_shapes("cdist", leading_of(a), leading_of(b));
  const Tensor y = batched_cdist(in_batch(a, shape), in_batch(b, shape), p);
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-2));
  return reshape(y, shape);
}

}  // namespace tsr
