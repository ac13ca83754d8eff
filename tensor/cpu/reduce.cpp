// sum, prod, norm, max and min over any axes: folds of dense rows and columns for each instruction set.
#include <cmath>

#include "tensor/cpu/reduce_walk.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/reduce.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// reduce-inl.h keeps a guard per target and so follows highway.h
#include "tensor/cpu/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {

// The two loops of a fold of T in accumulators of A.
#define FOLD(name, F, T, A)                                                                               \
  A name##_row(const T* x, std::int64_t count) { return reduce_row(F{}, x, count); }                      \
  void name##_columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, A* acc) { \
    reduce_columns(F{}, x, rows, stride, columns, acc);                                                   \
  }
FOLD(sum_f32, SumOf, float, double)
FOLD(sum_f64, SumOf, double, double)
FOLD(prod_f32, ProductOf, float, double)
FOLD(prod_f64, ProductOf, double, double)
FOLD(norm_f32, SumOfSquares, float, double)
FOLD(norm_f64, SumOfSquares, double, double)
FOLD(max_f32, MaxOf, float, float)
FOLD(max_f64, MaxOf, double, double)
FOLD(min_f32, MinOf, float, float)
FOLD(min_f64, MinOf, double, double)
#undef FOLD

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

double plus(double a, double b) { return a + b; }
double times(double a, double b) { return a * b; }
template <class T>
T larger(T a, T b) {  // NaN wins
  return b > a || std::isnan(b) ? b : a;
}
template <class T>
T smaller(T a, T b) {
  return b < a || std::isnan(b) ? b : a;
}
template <class T>
T root(double a) {
  return static_cast<T>(std::sqrt(a));
}
template <class T>
T rounded(double a) {
  return static_cast<T>(a);
}
template <class T>
T itself(T a) {
  return a;
}

// A line a kernel and dtype: accumulators of A from `identity` on, merged by `pair`.
#define FOLD(slot, name, T, A, identity, pair, finish)                                                    \
  HWY_EXPORT(name##_row);                                                                                 \
  HWY_EXPORT(name##_columns);                                                                             \
  const int register_##name = [] {                                                                        \
    slot.add(Device::cpu, dtype_of<T>, [](Context& context, View x, View y) {                             \
      reduce(context, x, y,                                                                               \
             Fold<T, A>{identity, HWY_DYNAMIC_DISPATCH(name##_row), HWY_DYNAMIC_DISPATCH(name##_columns), \
                        pair, finish});                                                                   \
    });                                                                                                   \
    return 0;                                                                                             \
  }();
constexpr float kInf = std::numeric_limits<float>::infinity();
FOLD(sum_fwd, sum_f32, float, double, 0, plus, rounded<float>)
FOLD(sum_fwd, sum_f64, double, double, 0, plus, itself<double>)
FOLD(prod_fwd, prod_f32, float, double, 1, times, rounded<float>)
FOLD(prod_fwd, prod_f64, double, double, 1, times, itself<double>)
FOLD(norm_fwd, norm_f32, float, double, 0, plus, root<float>)
FOLD(norm_fwd, norm_f64, double, double, 0, plus, root<double>)
FOLD(max_fwd, max_f32, float, float, -kInf, larger<float>, itself<float>)
FOLD(max_fwd, max_f64, double, double, -kInf, larger<double>, itself<double>)
FOLD(min_fwd, min_f32, float, float, kInf, smaller<float>, itself<float>)
FOLD(min_fwd, min_f64, double, double, kInf, smaller<double>, itself<double>)
#undef FOLD

}  // namespace
}  // namespace tsr
#endif
