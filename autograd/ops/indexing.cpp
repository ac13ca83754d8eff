// Picking by index, its adjoints, and the largest values.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kIndexSelect("index_select"), kIndexAdd("index_add"), kGather("gather"),
    kScatterAdd("scatter_add"), kTopk("topk");

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

std::pair<Tensor, Tensor> topk(const Tensor& x, std::int64_t k) {
  Op op(kTopk, {x});
  const int last = normalize_axis("topk", -1, x.rank());
  const std::int64_t count = x.shape()[last];
  TSR_CHECK(k >= 0 && k <= count, "topk: k = ", k, " of ", describe(x), "; choose 0 to ", count);
  const Tensor rows = x.strides()[last] == 1 ? x : x.clone();
  const Tensor values = op.empty(with_size(x.shape(), last, k)), indices = op.empty(values.shape(), int64);
  topk_fwd(op, rows.view(), values.view(), indices.view());
  const Tensor y =
      op.record(values, [last, count, indices = op.save(indices)](const Tensor& grad, const Needs&) {
        return Tensors{scatter_add(grad, last, indices.get(), count)};
      });
  return {y, indices};
}

Tensor one_hot(const Tensor& labels, std::int64_t classes, DType dtype) {
  const Tensor checked = checked_index("one_hot", labels, classes);
  return cast(eq(unsqueeze(checked, -1), arange(classes).to(labels.device())), dtype);
}

}  // namespace tsr
