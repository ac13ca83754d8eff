// index_select, gather and their adjoints. A thread of an adjoint owns a column of the result, so that what
// meets in one place is added in rising order of j without atomics; in float32 for low precision.

#include "cuda/elements.h"
#include "cuda/numeric.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

/// x or grad [outer, rows, inner] beside y [outer, picked, inner], or the other way round.
struct Picking {
  std::int64_t outer, rows, picked, inner;
};

template <class T>
__global__ void index_select_kernel(std::int64_t count, Picking p, const T* x, const std::int64_t* index,
                                    T* y) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const std::int64_t column = i % p.inner, j = i / p.inner % p.picked, outer = i / p.inner / p.picked;
  y[i] = x[(outer * p.rows + index[j]) * p.inner + column];
}

template <class T>
__global__ void gather_kernel(std::int64_t count, Picking p, const T* x, const std::int64_t* index, T* y) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const std::int64_t column = i % p.inner, outer = i / p.inner / p.picked;
  y[i] = x[(outer * p.rows + index[i]) * p.inner + column];
}

/// y was zeroed. `each`: whether every element has an index of its own, as in scatter_add.
template <class T, bool each>
__global__ void add_kernel(std::int64_t columns, Picking p, const T* grad, const std::int64_t* index,
                           Compute<T>* y) {
  const std::int64_t i = element_index();
  if (i >= columns) return;
  const std::int64_t column = i % p.inner, outer = i / p.inner;
  for (std::int64_t j = 0; j < p.picked; ++j) {
    const std::int64_t from = (outer * p.picked + j) * p.inner + column;
    y[(outer * p.rows + index[each ? from : j]) * p.inner + column] += widen(grad[from]);
  }
}

template <class T>
void index_select(Context&, View x, View index, View y) {
  launch_elements<index_select_kernel<T>>(y.numel(), Picking{y.size[0], x.size[1], y.size[1], y.size[2]},
                                          x.as<T>(), index.as<std::int64_t>(), y.as<T>());
}
template <class T>
void gather(Context&, View x, View index, View y) {
  launch_elements<gather_kernel<T>>(y.numel(), Picking{y.size[0], x.size[1], y.size[1], y.size[2]}, x.as<T>(),
                                    index.as<std::int64_t>(), y.as<T>());
}
template <class T, bool each>
void add_picked(Context& context, const View& grad, const View& index, const View& y) {
  View sum = y;
  sum.dtype = dtype_of<Compute<T>>;
  if (sum.dtype != y.dtype) sum.data = context.workspace_of<Compute<T>>(static_cast<std::size_t>(y.numel()));
  fill_fwd(context, sum, 0);
  launch_elements<add_kernel<T, each>>(y.size[0] * y.size[2],
                                       Picking{y.size[0], y.size[1], grad.size[1], y.size[2]}, grad.as<T>(),
                                       index.as<std::int64_t>(), sum.as<Compute<T>>());
  if (sum.dtype != y.dtype) copy_fwd(context, sum, y);
}
template <class T>
void index_add(Context& context, View grad, View index, View y) {
  add_picked<T, false>(context, grad, index, y);
}
template <class T>
void scatter_add(Context& context, View grad, View index, View y) {
  add_picked<T, true>(context, grad, index, y);
}

TSR_DEVICE_KERNEL(index_select_fwd, index_select, float, BFloat16, Float16, std::int64_t, std::int32_t,
                  std::uint8_t, bool);
TSR_DEVICE_KERNEL(gather_fwd, gather, float, BFloat16, Float16, std::int64_t, std::int32_t, std::uint8_t,
                  bool);
TSR_DEVICE_KERNEL(index_add_fwd, index_add, float, BFloat16, Float16, std::int64_t, std::int32_t);
TSR_DEVICE_KERNEL(scatter_add_fwd, scatter_add, float, BFloat16, Float16, std::int64_t, std::int32_t);

}  // namespace
}  // namespace tsr::TSR_BACKEND
