// Padding. A constant border is written around a copy; the other modes pick each place of the result from x.
#include <algorithm>

#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kPad("pad");

using Amounts = std::vector<std::pair<std::int64_t, std::int64_t>>;

/// The part of a padded tensor that x fills.
Tensor inner_part(const Tensor& padded, const Shape& shape, const Amounts& amounts) {
  Tensor part = padded;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const std::int64_t before = amounts[static_cast<std::size_t>(axis)].first;
    if (part.shape()[axis] != shape[axis]) part = slice(part, axis, before, before + shape[axis]);
  }
  return part;
}

Tensor pad_constant(const Tensor& x, const Amounts& amounts, double value) {
  Op op(kPad, {x});
  Shape shape = x.shape();
  for (int axis = 0; axis < x.rank(); ++axis) {
    const auto& [before, after] = amounts[static_cast<std::size_t>(axis)];
    shape[axis] += before + after;
  }
  const Tensor y = op.empty(shape);
  std::int64_t begin = 0;
  for (int axis = 0; axis < x.rank(); ++axis)
    begin += amounts[static_cast<std::size_t>(axis)].first * y.strides()[axis];
  fill_fwd(op, y.view(), value);
  copy_fwd(op, x.view(), y.as_strided(x.shape(), y.strides(), begin).view());
  return op.record(y, [from = x.shape(), amounts](const Tensor& grad, const Needs&) {
    return Tensors{inner_part(grad, from, amounts)};
  });
}

/// Where position `i` of a padded axis takes its value, counting from x's first element.
std::int64_t source_of(std::int64_t i, std::int64_t size, PadMode mode) {
  if (mode == PadMode::replicate) return std::clamp<std::int64_t>(i, 0, size - 1);
  if (i < 0) return -i;
  return i < size ? i : 2 * (size - 1) - i;
}

Tensor pad_axis(const Tensor& x, int axis, std::int64_t before, std::int64_t after, PadMode mode) {
  const std::int64_t size = x.shape()[axis],
                     least = mode == PadMode::reflect ? std::max(before, after) + 1 : 1;
  TSR_CHECK(size >= least, "pad: ", before, " before and ", after, " behind axis ", axis, " of ", describe(x),
            "; that needs a size of at least ", least);
  const Tensor index = empty({before + size + after}, int64);
  for (std::int64_t i = 0; i < index.numel(); ++i)
    index.data<std::int64_t>()[i] = source_of(i - before, size, mode);
  return index_select(x, axis, index.to(x.device()));
}

}  // namespace

Tensor pad(const Tensor& x, const Amounts& amounts, PadMode mode, double value) {
  TSR_CHECK(static_cast<std::size_t>(x.rank()) == amounts.size(), "pad: ", amounts.size(),
            " amounts for the ", x.rank(), " axes of ", describe(x), "; give (before, after) for each axis");
  for (const auto& [before, after] : amounts)
    TSR_CHECK(before >= 0 && after >= 0, "pad: (", before, ", ", after, ") is negative; slice() cuts");
  if (mode == PadMode::constant) return pad_constant(x, amounts, value);
  Tensor y = x;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const auto [before, after] = amounts[static_cast<std::size_t>(axis)];
    if (before > 0 || after > 0) y = pad_axis(y, axis, before, after, mode);
  }
  return y;
}

}  // namespace tsr
