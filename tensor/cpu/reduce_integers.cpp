// Reductions of integers and bools, by plain loops. Sums and products wrap around in int64.
#include <limits>

#include "tensor/cpu/reduce_walk.h"
#include "tensor/kernels.h"

namespace tsr {
namespace {

struct Plus {
  static constexpr std::int64_t identity = 0;
  std::int64_t operator()(std::int64_t a, std::int64_t b) const {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  }
};
struct Times {
  static constexpr std::int64_t identity = 1;
  std::int64_t operator()(std::int64_t a, std::int64_t b) const {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  }
};
template <class T>
struct Larger {
  static constexpr T identity = std::numeric_limits<T>::lowest();
  T operator()(T a, T b) const { return a > b ? a : b; }
};
template <class T>
struct Smaller {
  static constexpr T identity = std::numeric_limits<T>::max();
  T operator()(T a, T b) const { return a < b ? a : b; }
};

/// Folds T by F in accumulators of A, which are the results too.
template <class F, class T, class A>
void fold(Context& context, const View& x, const View& y) {
  reduce(context, x, y,
         Fold<T, A, A>{
             .identity = F::identity,
             .of_row =
                 [](const T* from, std::int64_t count) {
                   A acc = F::identity;
                   for (std::int64_t i = 0; i < count; ++i) acc = F{}(acc, A(from[i]));
                   return acc;
                 },
             .of_columns =
                 [](const T* from, std::int64_t rows, std::int64_t stride, std::int64_t columns, A* acc) {
                   for (std::int64_t r = 0; r < rows; ++r)
                     for (std::int64_t c = 0; c < columns; ++c) acc[c] = F{}(acc[c], A(from[r * stride + c]));
                 },
             .of_pair = [](A a, A b) { return F{}(a, b); }});
}

template <class T>
void sum_integers(Context& context, View x, View y) {
  fold<Plus, T, std::int64_t>(context, x, y);
}
template <class T>
void prod_integers(Context& context, View x, View y) {
  fold<Times, T, std::int64_t>(context, x, y);
}
template <class T>
void max_integers(Context& context, View x, View y) {
  fold<Larger<T>, T, T>(context, x, y);
}
template <class T>
void min_integers(Context& context, View x, View y) {
  fold<Smaller<T>, T, T>(context, x, y);
}

TSR_CPU_KERNEL(sum_fwd, sum_integers, std::int64_t, std::int32_t, std::uint8_t, bool);
TSR_CPU_KERNEL(prod_fwd, prod_integers, std::int64_t, std::int32_t, std::uint8_t, bool);
TSR_CPU_KERNEL(max_fwd, max_integers, std::int64_t, std::int32_t);
TSR_CPU_KERNEL(min_fwd, min_integers, std::int64_t, std::int32_t);
// false < true: any is the largest, all the smallest.
TSR_CPU_KERNEL(any_fwd, max_integers, bool);
TSR_CPU_KERNEL(all_fwd, min_integers, bool);

}  // namespace
}  // namespace tsr
