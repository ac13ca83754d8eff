// Picking by index, its adjoints, and the largest values.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kIndexSelect("index_select"), kIndexAdd("index_add"), kGather("gather"),
    kScatterAdd("scatter_add"), kEmbedding("embedding");

/// x as the kernels want it: dense, with everything before and after the axis merged.
Tensor as_outer_axis_inner(const Tensor& x, int axis) {
  Shape shape{1, x.shape()[axis], 1};
  for (int i = 0; i < axis; ++i) shape[0] *= x.shape()[i];
  for (int i = axis + 1; i < x.rank(); ++i) shape[2] *= x.shape()[i];
  const Tensor dense = x.is_contiguous() ? x : x.clone();
  return dense.as_strided(shape, dense_strides(shape), dense.offset());
}

Shape with_size(Shape shape, int axis, std::int64_t size) {
  shape[axis] = size;
  return shape;
}

/// Throws unless all of index lies in 0 … count-1; returns it dense.
Tensor checked_index(const char* op, const Tensor& index, std::int64_t count) {
  TSR_CHECK(index.dtype() == int64, op, ": the index is ", describe(index), "; convert it with to(int64)");
  Tensor dense = index.is_contiguous() ? index.detach() : index.clone();
  const Tensor host = dense.to(Device::cpu);
  const auto* values = host.data<std::int64_t>();
  for (std::int64_t i = 0; i < host.numel(); ++i)
    TSR_CHECK(values[i] >= 0 && values[i] < count, op, ": index ", values[i], " at position ", i,
              " is out of range for an axis of size ", count, " (0 to ", count - 1, ")");
  return dense;
}

/// Throws unless index has x's rank and, off the axis, its sizes.
void check_pointwise_index(const char* op, const Tensor& x, const Tensor& index, int axis) {
  bool fits = x.rank() == index.rank();
  for (int i = 0; fits && i < x.rank(); ++i) fits = i == axis || x.shape()[i] == index.shape()[i];
  TSR_CHECK(fits, op, ": index ", describe(index), " for ", describe(x), " along axis ", axis,
            "; off that axis their sizes must agree");
}

}  // namespace

Tensor index_select(const Tensor& x, std::int64_t axis, const Tensor& index) {
  Op op(kIndexSelect, {x, index});
  const int a = normalize_axis("index_select", axis, x.rank());
  TSR_CHECK(index.rank() == 1, "index_select: the index is ", describe(index), "; it must have one axis");
  const std::int64_t count = x.shape()[a];
  const Tensor picks = checked_index("index_select", index, count);
  const Tensor y = op.empty(with_size(x.shape(), a, picks.numel()));
  index_select_fwd(op, as_outer_axis_inner(x, a).view(), picks.view(), as_outer_axis_inner(y, a).view());
  return op.record(y, [a, count, picks = op.save(picks)](const Tensor& grad, const Needs&) {
    return Tensors{index_add(grad, a, picks.get(), count), {}};
  });
}

Tensor index_add(const Tensor& x, std::int64_t axis, const Tensor& index, std::int64_t count) {
  Op op(kIndexAdd, {x, index});
  const int a = normalize_axis("index_add", axis, x.rank());
  TSR_CHECK(index.rank() == 1 && index.numel() == x.shape()[a], "index_add: the index is ", describe(index),
            " but axis ", a, " of ", describe(x), " needs one entry for each of its ", x.shape()[a]);
  const Tensor places = checked_index("index_add", index, count);
  const Tensor y = op.empty(with_size(x.shape(), a, count));
  index_add_fwd(op, as_outer_axis_inner(x, a).view(), places.view(), as_outer_axis_inner(y, a).view());
  return op.record(y, [a, places = op.save(places)](const Tensor& grad, const Needs&) {
    return Tensors{index_select(grad, a, places.get()), {}};
  });
}

Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& index) {
  Op op(kGather, {x, index});
  const int a = normalize_axis("gather", axis, x.rank());
  check_pointwise_index("gather", x, index, a);
  const std::int64_t count = x.shape()[a];
  const Tensor picks = checked_index("gather", index, count);
  const Tensor y = op.empty(index.shape());
  gather_fwd(op, as_outer_axis_inner(x, a).view(), as_outer_axis_inner(picks, a).view(),
             as_outer_axis_inner(y, a).view());
  return op.record(y, [a, count, picks = op.save(picks)](const Tensor& grad, const Needs&) {
    return Tensors{scatter_add(grad, a, picks.get(), count), {}};
  });
}

Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& index, std::int64_t count) {
  Op op(kScatterAdd, {x, index});
  const int a = normalize_axis("scatter_add", axis, x.rank());
  TSR_CHECK(x.shape() == index.shape(), "scatter_add: index ", describe(index), " and values ", describe(x),
            " differ in shape; each value needs its place");
  const Tensor places = checked_index("scatter_add", index, count);
  const Tensor y = op.empty(with_size(x.shape(), a, count));
  scatter_add_fwd(op, as_outer_axis_inner(x, a).view(), as_outer_axis_inner(places, a).view(),
                  as_outer_axis_inner(y, a).view());
  return op.record(y, [a, places = op.save(places)](const Tensor& grad, const Needs&) {
    return Tensors{gather(grad, a, places.get()), {}};
  });
}

Tensor one_hot(const Tensor& labels, std::int64_t classes, DType dtype) {
  const Tensor checked = checked_index("one_hot", labels, classes);
  return cast(eq(unsqueeze(checked, -1), arange(classes).to(labels.device())), dtype);
}

Tensor embedding(const Tensor& weight, const Tensor& indices, std::optional<std::int64_t> padding_index) {
  Op op(kEmbedding, {weight, indices});
  TSR_CHECK(weight.rank() == 2, "embedding: the weight is ", describe(weight), ", not [rows, width]");
  const std::int64_t count = weight.shape()[0];
  TSR_CHECK(!padding_index || (*padding_index >= 0 && *padding_index < count), "embedding: padding index ",
            padding_index.value_or(0), " is out of range for ", count, " rows");
  const Shape flat{indices.numel()};
  const Tensor checked = checked_index("embedding", indices, count),
               picks = checked.as_strided(flat, dense_strides(flat), checked.offset());
  Shape shape = indices.shape();
  shape.push_back(weight.shape()[1]);
  const Tensor y = op.empty(shape);
  const Shape rows{1, flat[0], shape.back()};
  index_select_fwd(op, as_outer_axis_inner(weight, 0).view(), picks.view(),
                   y.as_strided(rows, dense_strides(rows), 0).view());
  return op.record(y, [count, padding_index, picks = op.save(picks)](const Tensor& given, const Needs&) {
    const Tensor index = picks.get();
    Tensor grad = reshape(given, {index.numel(), given.size(-1)});
    if (padding_index) {
      const Tensor padding = eq(index, static_cast<double>(*padding_index));
      grad = masked_fill(grad, unsqueeze(padding, -1), 0);
    }
    return Tensors{index_add(grad, 0, index, count), {}};
  });
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  TSR_CHECK(mask.dtype() == boolean && mask.shape() == x.shape(), "masked_select: the mask is ",
            describe(mask), "; x ", describe(x), " needs a bool of its shape");
  const Tensor chosen = (mask.is_contiguous() ? mask.detach() : mask.clone()).to(Device::cpu);
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < chosen.numel(); ++i)
    if (chosen.data<bool>()[i]) places.push_back(i);
  const auto count = static_cast<std::int64_t>(places.size());
  return index_select(reshape(x, {x.numel()}), 0, from_values(places, {count}).to(x.device()));
}

}  // namespace tsr
