// Reductions over any axes. A block makes one result, or, where there are few results of many elements, one
// portion of it; a second launch then combines the portions. Where the results are neighbours in memory and
// what is combined isn't, threads take results side by side (cuda/columns.h). The order is fixed by the
// shape.

#include <type_traits>

#include "cuda/columns.h"
#include "tensor/kernels.h"
#include "tensor/reduce_axes.h"

namespace tsr::TSR_BACKEND {
namespace {

struct ReduceShape {
  static constexpr std::int64_t kPortion = 1 << 13;  // elements that keep a block of 256 threads busy
  static constexpr std::int64_t kEnoughBlocks = 512;

  ReduceAxes kept, reduced;
  std::int64_t results, total, portion, splits = 1;

  /// Whether neighbours in memory belong to different results.
  bool by_columns() const { return kept.inner().size > 1 && kept.inner().order() < reduced.inner().order(); }

  ReduceShape(const View& x, const View& y) {
    split_axes(x, y, kept, reduced);
    results = kept.count();
    total = portion = reduced.count();
    if (results == 0 || results >= kEnoughBlocks || total <= kPortion) return;
    splits = std::min((total + kPortion - 1) / kPortion, kEnoughBlocks / results);
    portion = (total + splits - 1) / splits;
    splits = (total + portion - 1) / portion;
  }
};

/// What a reduction does beside combining: how an element enters and how the result leaves.
struct AsIs {
  template <class A>
  __device__ A enter(A x) const {
    return x;
  }
  template <class A>
  __device__ A leave(A x) const {
    return x;
  }
};
struct SquareRoot {
  __device__ double enter(double x) const { return x * x; }
  __device__ double leave(double x) const { return sqrt(x); }
};

template <class Combine, class Ends, class A, class T>
__global__ void reduce_kernel(ReduceShape shape, const T* x, A* partial) {
  const std::int64_t result = blockIdx.x / shape.splits, split = blockIdx.x % shape.splits;
  const std::int64_t first = split * shape.portion, left = shape.total - first;
  const T* from = x + shape.kept.offset(result).x;
  const A all = reduce_over<A>(left < shape.portion ? left : shape.portion, Combine{}, [&](std::int64_t i) {
    return Ends{}.enter(static_cast<A>(widen(from[shape.reduced.offset(first + i).x])));
  });
  if (threadIdx.x == 0) partial[blockIdx.x] = all;
}

template <class Combine, class Ends, class A, class Out>
__global__ void combine_kernel(ReduceShape shape, const A* partial, Out* y) {
  const A all = reduce_over<A>(shape.splits, Combine{},
                               [&](std::int64_t i) { return partial[blockIdx.x * shape.splits + i]; });
  if (threadIdx.x == 0)
    y[shape.kept.offset(blockIdx.x).y] = narrow<Out>(static_cast<Compute<Out>>(Ends{}.leave(all)));
}

/// What a thread's rows come to.
template <class Combine, class Ends, class A, class T>
struct ColumnElements {
  ReduceShape shape;
  const T* x;

  __device__ A operator()(const ColumnPlace& at) const {
    const T* column = x + shape.kept.outer_offset(at.batch).x + at.column * shape.kept.inner().x;
    A all = Combine::template identity<A>();
    at.each_row([&](std::int64_t row) { return column[shape.reduced.offset(row).x]; },
                [&](std::int64_t, const T& x) {
                  all = Combine{}(all, static_cast<A>(Ends{}.enter(static_cast<A>(widen(x)))));
                });
    return all;
  }
};
template <class Ends, class A, class Out>
struct StoreResult {
  ReduceShape shape;
  Out* y;

  __device__ void operator()(std::int64_t i, A all) const {
    y[shape.kept.offset(i).y] = narrow<Out>(static_cast<Compute<Out>>(Ends{}.leave(all)));
  }
};

/// A is what is accumulated in.
template <class Combine, class A, class T, class Out, class Ends = AsIs>
void reduce(Context& context, const View& x, const View& y) {
  const ReduceShape shape(x, y);
  if (shape.results == 0) return;
  if (shape.by_columns())
    return reduce_columns<A>(
        context, ColumnShape(shape.kept.outer_count(), shape.total, shape.kept.inner().size), Combine{},
        ColumnElements<Combine, Ends, A, T>{shape, x.as<T>()}, StoreResult<Ends, A, Out>{shape, y.as<Out>()});
  const auto blocks = static_cast<unsigned>(shape.results * shape.splits);
  A* partial = context.workspace_of<A>(blocks);
  launch<reduce_kernel<Combine, Ends, A, T>>({.grid = {blocks}, .block = {reduce_threads(shape.portion)}},
                                             current_stream(), shape, x.as<T>(), partial);
  launch<combine_kernel<Combine, Ends, A, Out>>(
      {.grid = {static_cast<unsigned>(shape.results)}, .block = {reduce_threads(shape.splits)}},
      current_stream(), shape, partial, y.as<Out>());
}

template <class T>
using Extreme = std::conditional_t<std::is_integral_v<T>, std::int64_t, float>;
template <class T>
using Total = std::conditional_t<std::is_integral_v<T>, std::int64_t, T>;

template <class T>
void sum(Context& context, View x, View y) {
  reduce<Sum, Accumulator<T>, T, Total<T>>(context, x, y);
}
template <class T>
void prod(Context& context, View x, View y) {
  reduce<Product, Accumulator<T>, T, Total<T>>(context, x, y);
}
template <class T>
void max_of(Context& context, View x, View y) {
  reduce<Max, Extreme<T>, T, T>(context, x, y);
}
template <class T>
void min_of(Context& context, View x, View y) {
  reduce<Min, Extreme<T>, T, T>(context, x, y);
}
template <class T>
void norm(Context& context, View x, View y) {  // in double: squares leave float's range
  reduce<Sum, double, T, T, SquareRoot>(context, x, y);
}
template <class T>
void any(Context& context, View x, View y) {
  reduce<Max, int, T, T>(context, x, y);
}
template <class T>
void all(Context& context, View x, View y) {
  reduce<Min, int, T, T>(context, x, y);
}

TSR_DEVICE_KERNEL(sum_fwd, sum, float, BFloat16, Float16, std::int64_t, std::int32_t, std::uint8_t, bool);
TSR_DEVICE_KERNEL(prod_fwd, prod, float, BFloat16, Float16, std::int64_t, std::int32_t, std::uint8_t, bool);
TSR_DEVICE_KERNEL(max_fwd, max_of, float, BFloat16, Float16, std::int64_t, std::int32_t);
TSR_DEVICE_KERNEL(min_fwd, min_of, float, BFloat16, Float16, std::int64_t, std::int32_t);
TSR_DEVICE_KERNEL(norm_fwd, norm, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(any_fwd, any, bool);
TSR_DEVICE_KERNEL(all_fwd, all, bool);

}  // namespace
}  // namespace tsr::TSR_BACKEND
