// Ops that put a tensor's elements elsewhere.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kFlip("flip"), kRoll("roll");

Tensor roll_axis(const Tensor& x, std::int64_t shift, int axis) {
  Op op(kRoll, {x});
  const std::int64_t size = x.shape()[axis], moved = size == 0 ? 0 : (shift % size + size) % size;
  const Tensor y = op.empty(x.shape());
  const auto part = [axis](const Tensor& of, std::int64_t begin, std::int64_t count) {
    Shape shape = of.shape();
    shape[axis] = count;
    return of.as_strided(shape, of.strides(), of.offset() + begin * of.strides()[axis]).view();
  };
  copy_fwd(op, part(x, 0, size - moved), part(y, moved, size - moved));
  copy_fwd(op, part(x, size - moved, moved), part(y, 0, moved));
  return op.record(
      y, [shift, axis](const Tensor& grad, const Needs&) { return Tensors{roll_axis(grad, -shift, axis)}; });
}

/// Of each entry of x [..., m, n], whether it lies above (below) a diagonal.
Tensor beyond_diagonal(const char* op, const Tensor& x, std::int64_t diagonal, bool above) {
  TSR_CHECK(x.rank() >= 2, op, ": ", describe(x), " is not a matrix [..., m, n]");
  const std::int64_t m = x.size(-2), n = x.size(-1);
  const Tensor mask = empty({m, n}, boolean);
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      mask.data<bool>()[i * n + j] = above ? j - i > diagonal : j - i < diagonal;
  return mask.to(x.device());
}

}  // namespace

Tensor flip(const Tensor& x, const Shape& axes) {
  Op op(kFlip, {x});
  View source = x.view();
  unsigned seen = 0;
  for (std::int64_t given : axes) {
    const int axis = normalize_axis("flip", given, x.rank());
    TSR_CHECK(!((seen >> axis) & 1u), "flip: axis ", axis, " of ", describe(x), " is named twice");
    seen |= 1u << axis;
    if (x.shape()[axis] == 0) continue;
    source.data = static_cast<std::byte*>(source.data) +
                  (x.shape()[axis] - 1) * source.stride[axis] * size_of(x.dtype());
    source.stride[axis] = -source.stride[axis];
  }
  const Tensor y = op.empty(x.shape());
  copy_fwd(op, source, y.view());
  return op.record(y, [axes](const Tensor& grad, const Needs&) { return Tensors{flip(grad, axes)}; });
}

Tensor roll(const Tensor& x, const Shape& shifts, const Shape& axes) {
  TSR_CHECK(shifts.rank() == axes.rank(), "roll: shifts ", shifts, " and axes ", axes,
            " differ in number; name an axis for each shift");
  Tensor y = x;
  for (int i = 0; i < axes.rank(); ++i)
    y = roll_axis(y, shifts[i], normalize_axis("roll", axes[i], x.rank()));
  return y;
}

Tensor tile(const Tensor& x, const Shape& repeats) {
  Shape shape = x.shape();
  while (shape.rank() < repeats.rank()) shape.insert(0, 1);
  Tensor y = reshape(x, shape);
  const int shift = shape.rank() - repeats.rank();
  for (int i = 0; i < repeats.rank(); ++i) {
    TSR_CHECK(repeats[i] >= 0, "tile: negative count in repeats ", repeats);
    if (repeats[i] == 1) continue;
    const int axis = shift + i;
    // what lies before the axis is joined, and so is the rest: the axis of copies finds room at any rank
    Shape joined{1, 1, 1}, whole = y.shape();
    for (int a = 0; a < y.rank(); ++a) joined[a < axis ? 0 : 2] *= y.shape()[a];
    whole[axis] *= repeats[i];
    y = reshape(broadcast_to(reshape(y, joined), {joined[0], repeats[i], joined[2]}), whole);
  }
  return y;
}

Tensor tril(const Tensor& x, std::int64_t diagonal) {
  return masked_fill(x, beyond_diagonal("tril", x, diagonal, true), 0);
}

Tensor triu(const Tensor& x, std::int64_t diagonal) {
  return masked_fill(x, beyond_diagonal("triu", x, diagonal, false), 0);
}

}  // namespace tsr
