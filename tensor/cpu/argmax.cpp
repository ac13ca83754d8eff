// argmax and argmin along any axis: a reduction to a value and its position. NaN beats every number.
#include <algorithm>
#include <cmath>

#include "tensor/cpu/reduce_walk.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/argmax.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// reduce-inl.h keeps a guard per target and so follows highway.h
#include "tensor/cpu/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {

float row_max_f32(const float* x, std::int64_t count) { return reduce_row(MaxOf{}, x, count); }
double row_max_f64(const double* x, std::int64_t count) { return reduce_row(MaxOf{}, x, count); }
float row_min_f32(const float* x, std::int64_t count) { return reduce_row(MinOf{}, x, count); }
double row_min_f64(const double* x, std::int64_t count) { return reduce_row(MinOf{}, x, count); }

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

HWY_EXPORT(row_max_f32);
HWY_EXPORT(row_max_f64);
HWY_EXPORT(row_min_f32);
HWY_EXPORT(row_min_f64);

/// The fold behind argmax and argmin (reduce_walk.h); Compare is `>` or `<`.
template <class T, class Compare>
struct Best {
  using Element = T;
  struct Accumulator {
    T value = 0;
    std::int64_t position = -1;  // none yet
  };
  using Result = std::int64_t;

  Accumulator identity;
  T (*best_of_row)(const T* x, std::int64_t count);

  Accumulator row(const T* x, std::int64_t count, std::int64_t position) const {
    if (count == 0) return {};
    const T best = best_of_row(x, count);
    const T* at = std::isnan(best) ? std::find_if(x, x + count, [](T value) { return std::isnan(value); })
                                   : std::find(x, x + count, best);
    return {best, position + (at - x)};
  }
  void columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, Accumulator* acc,
               std::int64_t position) const {
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c)
        if (const T value = x[r * stride + c]; beats(value, acc[c])) acc[c] = {value, position + r};
  }
  /// b comes later, and so must be better.
  Accumulator of_pair(const Accumulator& a, const Accumulator& b) const {
    return b.position >= 0 && beats(b.value, a) ? b : a;
  }
  Result finish(const Accumulator& a) const { return a.position; }

 private:
  static bool beats(T value, const Accumulator& than) {
    return Compare{}(value, than.value) || than.position < 0 ||
           (std::isnan(value) && !std::isnan(than.value));
  }
};

template <class T, class Compare>
T best_of_integers(const T* x, std::int64_t count) {
  return *std::min_element(x, x + count, Compare{});
}

// A line a slot and dtype: what tells the better of two, and the best of a dense row.
#define BEST(slot, T, compare, best)                                                     \
  slot.add(Device::cpu, dtype_of<T>, [](Context& context, View x, View index) {          \
    reduce(context, x, index, Best<T, compare<T>>{.identity = {}, .best_of_row = best}); \
  });
const int registered = [] {
  BEST(argmax_fwd, float, std::greater, HWY_DYNAMIC_DISPATCH(row_max_f32))
  BEST(argmax_fwd, double, std::greater, HWY_DYNAMIC_DISPATCH(row_max_f64))
  BEST(argmax_fwd, std::int64_t, std::greater, (best_of_integers<std::int64_t, std::greater<>>))
  BEST(argmax_fwd, std::int32_t, std::greater, (best_of_integers<std::int32_t, std::greater<>>))
  BEST(argmin_fwd, float, std::less, HWY_DYNAMIC_DISPATCH(row_min_f32))
  BEST(argmin_fwd, double, std::less, HWY_DYNAMIC_DISPATCH(row_min_f64))
  BEST(argmin_fwd, std::int64_t, std::less, (best_of_integers<std::int64_t, std::less<>>))
  BEST(argmin_fwd, std::int32_t, std::less, (best_of_integers<std::int32_t, std::less<>>))
  return 0;
}();
#undef BEST

}  // namespace
}  // namespace tsr
#endif
