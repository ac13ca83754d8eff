// Views, and the ops that join and part tensors.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kReshape("reshape"), kPermute("permute"), kBroadcastTo("broadcast_to"), kSlice("slice"),
    kSliceBackward("slice_backward"), kContiguous("contiguous"), kConcat("concat", CastPolicy::widest);

/// The strides of a view of x in another shape, or false where only a copy has that shape. Axes of x that are
/// dense among themselves are cut and joined freely; others keep their borders.
bool view_strides(const Tensor& x, const Shape& shape, Shape& strides) {
  if (x.is_contiguous() || x.numel() == 0) {
    strides = dense_strides(shape);
    return true;
  }
  strides = shape;
  int next = shape.rank() - 1;
  for (int axis = x.rank() - 1; axis >= 0;) {
    std::int64_t step = x.strides()[axis], run = x.shape()[axis];
    for (--axis; axis >= 0 && (x.shape()[axis] == 1 || x.strides()[axis] == run * step); --axis)
      run *= x.shape()[axis];
    while (next >= 0 && run > 1 && run % shape[next] == 0) {
      run /= shape[next];
      strides[next] = step;
      step *= shape[next--];
    }
    if (run > 1) return false;
  }
  for (; next >= 0; --next) strides[next] = 1;  // only sizes of 1 are left
  return true;
}

Shape resolve(const Tensor& x, const Shape& given) {
  Shape shape = given;
  int unknown = -1;
  std::int64_t known = 1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    TSR_CHECK(shape[axis] >= -1, "reshape: negative size in ", shape);
    if (shape[axis] == -1) {
      TSR_CHECK(unknown < 0, "reshape: ", shape, " has more than one -1");
      unknown = axis;
    } else {
      known *= shape[axis];
    }
  }
  TSR_CHECK(unknown < 0 || known > 0, "reshape: the -1 in ", shape, " could be any size beside a 0; name it");
  if (unknown >= 0) shape[unknown] = x.numel() / known;
  TSR_CHECK(shape.numel() == x.numel(), "reshape: ", describe(x), " holds ", x.numel(), " elements, which ",
            given, " can't hold");
  return shape;
}

Shape inverse(const Shape& order) {
  Shape result = order;
  for (int axis = 0; axis < order.rank(); ++axis) result[static_cast<int>(order[axis])] = axis;
  return result;
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& wanted) {
  Op op(kReshape, {x});
  const Shape shape = resolve(x, wanted);
  Shape strides;
  Tensor y = view_strides(x, shape, strides) ? x.as_strided(shape, strides, x.offset())
                                             : x.clone().as_strided(shape, dense_strides(shape), 0);
  return op.record(
      y, [from = x.shape()](const Tensor& grad, const Needs&) { return Tensors{reshape(grad, from)}; });
}

Tensor transpose(const Tensor& x, std::int64_t axis0, std::int64_t axis1) {
  const int rank = x.rank(), first = normalize_axis("transpose", axis0, rank),
            second = normalize_axis("transpose", axis1, rank);
  Shape order = x.shape();
  for (int axis = 0; axis < rank; ++axis) order[axis] = axis;
  std::swap(order[first], order[second]);
  return permute(x, order);
}

Tensor permute(const Tensor& x, const Shape& order) {
  Op op(kPermute, {x});
  TSR_CHECK(order.rank() == x.rank(), "permute: order ", order, " for ", describe(x),
            "; name each axis once");
  Shape shape = x.shape(), strides = x.shape(), sources = x.shape();
  unsigned seen = 0;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const int source = normalize_axis("permute", order[axis], x.rank());
    sources[axis] = source;
    seen |= 1u << source;
    shape[axis] = x.shape()[source];
    strides[axis] = x.strides()[source];
  }
  TSR_CHECK(seen == (1u << x.rank()) - 1, "permute: order ", order, " doesn't name each axis once");
  return op.record(x.as_strided(shape, strides, x.offset()), [sources](const Tensor& grad, const Needs&) {
    return Tensors{permute(grad, inverse(sources))};
  });
}

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  Op op(kBroadcastTo, {x});
  TSR_CHECK(broadcast_shapes("broadcast_to", x.shape(), shape) == shape, "broadcast_to: ", describe(x),
            " doesn't broadcast to ", shape);
  Shape strides = shape;
  const int shift = shape.rank() - x.rank();
  for (int axis = 0; axis < shape.rank(); ++axis)
    strides[axis] = axis < shift || x.shape()[axis - shift] == 1 ? 0 : x.strides()[axis - shift];
  return op.record(
      x.as_strided(shape, strides, x.offset()),
      [from = x.shape()](const Tensor& grad, const Needs&) { return Tensors{sum_to(grad, from)}; });
}

Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t begin, std::int64_t end, std::int64_t step) {
  Op op(kSlice, {x});
  const int a = normalize_axis("slice", axis, x.rank());
  const std::int64_t size = x.shape()[a];
  TSR_CHECK(step >= 1 && begin >= 0 && begin <= end && end <= size, "slice: ", begin, " to ", end, " by ",
            step, " of axis ", a, " of ", describe(x), "; need 0 ≤ begin ≤ end ≤ ", size,
            " and a positive step");
  Shape shape = x.shape(), strides = x.strides();
  shape[a] = (end - begin + step - 1) / step;
  strides[a] *= step;
  return op.record(x.as_strided(shape, strides, x.offset() + begin * x.strides()[a]),
                   [from = x.shape(), a, begin, step](const Tensor& grad, const Needs&) {
                     return Tensors{slice_backward(grad, from, a, begin, step)};
                   });
}

Tensor slice_backward(const Tensor& x, const Shape& shape, std::int64_t axis, std::int64_t begin,
                      std::int64_t step) {
  Op op(kSliceBackward, {x});
  const int a = normalize_axis("slice_backward", axis, shape.rank());
  const std::int64_t picked = x.shape()[a], end = picked == 0 ? begin : begin + (picked - 1) * step + 1;
  TSR_CHECK(x.rank() == shape.rank() && begin >= 0 && step >= 1 && end <= shape[a],
            "slice_backward: ", describe(x), " at ", begin, " by ", step, " doesn't fit axis ", a, " of ",
            shape);
  Tensor y = zeros(shape, x.dtype(), x.device());
  const std::int64_t stride = y.strides()[a];
  Shape strides = y.strides();
  strides[a] *= step;
  copy_fwd(op, x.view(), y.as_strided(x.shape(), strides, begin * stride).view());
  return op.record(y, [a, begin, end, step](const Tensor& grad, const Needs&) {
    return Tensors{slice(grad, a, begin, end, step)};
  });
}

Tensor select(const Tensor& x, std::int64_t axis, std::int64_t position) {
  const int a = normalize_axis("select", axis, x.rank());
  TSR_CHECK(position >= 0 && position < x.shape()[a], "select: position ", position, " of axis ", a, " of ",
            describe(x), "; choose one below ", x.shape()[a]);
  return squeeze(slice(x, a, position, position + 1), a);
}

Tensor unsqueeze(const Tensor& x, std::int64_t axis) {
  Shape shape = x.shape();
  shape.insert(normalize_axis("unsqueeze", axis, x.rank() + 1), 1);
  return reshape(x, shape);
}

Tensor squeeze(const Tensor& x, std::int64_t axis) {
  const int a = normalize_axis("squeeze", axis, x.rank());
  TSR_CHECK(x.shape()[a] == 1, "squeeze: axis ", a, " of ", describe(x), " has size ", x.shape()[a],
            ", not 1");
  Shape shape = x.shape();
  shape.erase(a);
  return reshape(x, shape);
}

Tensor contiguous(const Tensor& x) {
  if (x.is_contiguous()) return x;
  Op op(kContiguous, {x});
  return op.record(x.clone(), [](const Tensor& grad, const Needs&) { return Tensors{grad}; });
}

Tensor flatten_image(const Tensor& x) {
  TSR_CHECK(x.rank() == 4, "flatten_image: ", describe(x), " is not a batch of images [N, H, W, C]");
  const Shape& shape = x.shape();
  return reshape(permute(x, {0, 3, 1, 2}), {shape[0], shape[1] * shape[2] * shape[3]});
}

Tensor concat(const Tensors& parts, std::int64_t axis) {
  TSR_CHECK(!parts.empty(), "concat: no tensors given");
  if (parts.size() == 1) return parts[0];
  if (parts.size() >
      2) {  // pairwise from the middle: a node joins two, and no element is copied more than log n times
    const auto middle = parts.begin() + static_cast<std::ptrdiff_t>(parts.size() / 2);
    return concat({concat(Tensors(parts.begin(), middle), axis), concat(Tensors(middle, parts.end()), axis)},
                  axis);
  }
  Op op(kConcat, {parts[0], parts[1]});
  const Tensor &a = op[0], &b = op[1];
  const int along = normalize_axis("concat", axis, a.rank());
  TSR_CHECK(a.rank() == b.rank() && a.dtype() == b.dtype(), "concat: ", describe(a), " and ", describe(b),
            " differ in rank or dtype");
  for (int i = 0; i < a.rank(); ++i)
    TSR_CHECK(i == along || a.shape()[i] == b.shape()[i], "concat: ", describe(a), " and ", describe(b),
              " differ along axis ", i, "; only axis ", along, " may");
  Shape shape = a.shape();
  const std::int64_t cut = a.shape()[along];
  shape[along] += b.shape()[along];
  Tensor y = op.empty(shape);
  copy_fwd(op, a.view(), y.as_strided(a.shape(), y.strides(), 0).view());
  copy_fwd(op, b.view(), y.as_strided(b.shape(), y.strides(), cut * y.strides()[along]).view());
  return op.record(y, [along, cut, end = shape[along]](const Tensor& grad, const Needs& needs) {
    return Tensors{needs[0] ? slice(grad, along, 0, cut) : Tensor(),
                   needs[1] ? slice(grad, along, cut, end) : Tensor()};
  });
}

Tensor stack(const Tensors& parts, std::int64_t axis) {
  TSR_CHECK(!parts.empty(), "stack: no tensors given");
  Tensors raised;
  for (const Tensor& part : parts) {
    TSR_CHECK(part.shape() == parts[0].shape(), "stack: ", describe(parts[0]), " and ", describe(part),
              " differ in shape");
    raised.push_back(unsqueeze(part, axis));
  }
  return concat(raised, axis);
}

}  // namespace tsr
