// argmax and argmin along any axis. What is best is the same in whatever order elements meet: ties go to the
// lower position.

#include "cuda/columns.h"
#include "tensor/kernels.h"
#include "tensor/reduce_axes.h"

namespace tsr::TSR_BACKEND {
namespace {

template <class V>
struct Best {
  V value;
  std::int64_t position;  ///< -1: none yet
};

struct Better {
  bool largest;

  template <class A>
  __device__ static constexpr A identity() {
    return {0, -1};
  }
  template <class V>
  __device__ Best<V> operator()(const Best<V>& a, const Best<V>& b) const {
    if (a.position < 0 || b.position < 0) return a.position < 0 ? b : a;
    if (is_nan(a.value) != is_nan(b.value)) return is_nan(a.value) ? a : b;
    if (a.value == b.value || is_nan(a.value)) return a.position < b.position ? a : b;
    return (a.value > b.value) == largest ? a : b;
  }
};

template <class T, class V>
struct BestOfRows {
  ReduceAxes kept, reduced;
  const T* x;
  Better better;
  std::int64_t columns;

  __device__ Best<V> operator()(const ColumnPlace& at) const {
    const T* column = x + kept.offset(at.batch * columns + at.column).x;
    Best<V> best = Better::identity<Best<V>>();
    for (std::int64_t row = at.first; row < at.last; row += at.step)
      best = better(best, {widen(column[reduced.offset(row).x]), row});
    return best;
  }
};

template <class V>
struct StorePosition {
  ReduceAxes kept;
  std::int64_t* y;
  __device__ void operator()(std::int64_t i, const Best<V>& best) const {
    y[kept.offset(i).y] = best.position;
  }
};

template <class T>
void best_of(Context& context, const View& x, const View& y, bool largest) {
  using V = std::conditional_t<std::is_integral_v<T>, std::int64_t, float>;
  ReduceAxes kept, reduced;
  split_axes(x, y, kept, reduced);
  const bool rows_adjacent = reduced.inner().order() < kept.inner().order();
  const ColumnShape shape(kept.outer_count(), reduced.count(), kept.inner().size, rows_adjacent ? 1 : 32);
  const Better better{largest};
  reduce_columns<Best<V>>(context, shape, better,
                          BestOfRows<T, V>{kept, reduced, x.as<T>(), better, shape.columns},
                          StorePosition<V>{kept, y.as<std::int64_t>()});
}

template <class T>
void argmax(Context& context, View x, View y) {
  best_of<T>(context, x, y, true);
}
template <class T>
void argmin(Context& context, View x, View y) {
  best_of<T>(context, x, y, false);
}

TSR_DEVICE_KERNEL(argmax_fwd, argmax, float, BFloat16, Float16, std::int64_t, std::int32_t);
TSR_DEVICE_KERNEL(argmin_fwd, argmin, float, BFloat16, Float16, std::int64_t, std::int32_t);

}  // namespace
}  // namespace tsr::TSR_BACKEND
