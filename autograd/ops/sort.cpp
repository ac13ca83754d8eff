// Order along an axis. Kernels work along the last one; another is brought there.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kSort("sort"), kTopk("topk");

/// The first `count` of each row in the order that the kernel makes, and their positions.
template <class Slot>
std::pair<Tensor, Tensor> rank_rows(const OpInfo& info, const Slot& kernel, const Tensor& x,
                                    std::int64_t count, bool falling) {
  Op op(info, {x});
  const int last = x.rank() - 1;
  const Tensor rows = x.strides()[last] == 1 ? x : x.clone();
  Shape shape = x.shape();
  shape[last] = count;
  const Tensor values = op.empty(shape), indices = op.empty(shape, int64);
  kernel(op, rows.view(), values.view(), indices.view(), falling);
  const Tensor y = op.record(
      values, [last, size = x.shape()[last], indices = op.save(indices)](const Tensor& grad, const Needs&) {
        return Tensors{scatter_add(grad, last, indices.get(), size)};
      });
  return {y, indices};
}

template <class Slot>
std::pair<Tensor, Tensor> rank(const OpInfo& info, const Slot& kernel, const Tensor& x, int axis,
                               std::int64_t count, bool falling) {
  if (axis == x.rank() - 1) return rank_rows(info, kernel, x, count, falling);
  const auto [values, indices] = rank_rows(info, kernel, transpose(x, axis, -1), count, falling);
  return {transpose(values, axis, -1), transpose(indices, axis, -1)};
}

}  // namespace

std::pair<Tensor, Tensor> sort(const Tensor& x, std::int64_t axis, bool descending) {
  const int a = normalize_axis("sort", axis, x.rank());
  return rank(kSort, sort_fwd, x, a, x.shape()[a], descending);
}

Tensor argsort(const Tensor& x, std::int64_t axis, bool descending) {
  return sort(x.detach(), axis, descending).second;
}

std::pair<Tensor, Tensor> topk(const Tensor& x, std::int64_t k, std::int64_t axis, bool largest) {
  const int a = normalize_axis("topk", axis, x.rank());
  TSR_CHECK(k >= 0 && k <= x.shape()[a], "topk: k = ", k, " of axis ", a, " of ", describe(x),
            "; choose 0 to ", x.shape()[a]);
  return rank(kTopk, topk_fwd, x, a, k, largest);
}

}  // namespace tsr
