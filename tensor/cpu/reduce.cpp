// sum and max over any axes, in an order fixed by the shape.
#include "tensor/cpu/reduce_plan.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/reduce.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// reduce-inl.h keeps a guard per target and so follows highway.h
#include "tensor/cpu/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {

constexpr std::int64_t kPack = 1024;  // elements packed at a time where x isn't dense
constexpr std::int64_t kRows = 16;    // rows that a column's accumulator stays in a register for

/// f over `count` elements `stride` apart.
template <class F, class T, class A = typename F::template Accumulator<T>>
A reduce_run(const T* x, std::int64_t stride, std::int64_t count) {
  if (stride == 1) return reduce_row(F{}, x, count);
  T buffer[kPack];
  A result = static_cast<A>(F::identity);
  for (std::int64_t first = 0; first < count; first += kPack) {
    const std::int64_t n = std::min(kPack, count - first);
    for (std::int64_t i = 0; i < n; ++i) buffer[i] = x[(first + i) * stride];
    result = F{}(result, reduce_row(F{}, buffer, n));
  }
  return result;
}

/// Folds `rows` rows of `width` columns into acc.
template <class F, class T, class A>
void reduce_rows(const T* x, std::int64_t rows, std::int64_t row_stride, std::int64_t width,
                 std::int64_t column_stride, A* acc) {
  T buffer[kRows * ReducePlan::kWidth];
  for (std::int64_t first = 0; first < rows; first += kRows) {
    const std::int64_t n = std::min(kRows, rows - first);
    const T* block = x + first * row_stride;
    if (column_stride == 1) {
      reduce_columns(F{}, block, n, row_stride, width, acc);
      continue;
    }
    for (std::int64_t r = 0; r < n; ++r)
      for (std::int64_t c = 0; c < width; ++c)
        buffer[r * width + c] = block[r * row_stride + c * column_stride];
    reduce_columns(F{}, buffer, n, width, width, acc);
  }
}

/// One task: the partial results of a unit over [begin, end) of what is reduced.
template <class F, class T, class A>
void reduce_task(const ReducePlan& plan, const T* x, std::int64_t width, std::int64_t begin, std::int64_t end,
                 A* acc) {
  std::fill_n(acc, width, static_cast<A>(F::identity));
  const std::int64_t step = plan.reduced.inner().x;
  plan.reduced.for_runs(begin, end, [&](std::int64_t offset, std::int64_t count) {
    if (plan.columns) {
      reduce_rows<F>(x + offset, count, step, width, plan.kept.inner().x, acc);
    } else {
      acc[0] = F{}(acc[0], reduce_run<F>(x + offset, step, count));
    }
  });
}

template <class T, class A>
void store(const ReducePlan& plan, std::int64_t unit, const A* acc, T* y) {
  T* target = y + plan.origin(unit).y;
  for (std::int64_t c = 0; c < plan.width(unit); ++c)
    target[c * plan.kept.inner().y] = static_cast<T>(acc[c]);
}

template <class F, class T>
void reduce(Context& context, const View& x, const View& y) {
  using A = typename F::template Accumulator<T>;
  const ReducePlan plan(x, y);
  const T* source = x.as<T>();
  T* target = y.as<T>();
  const std::int64_t splits = plan.splits, width = plan.columns ? ReducePlan::kWidth : 1;
  A* partials =
      splits > 1 ? context.workspace_of<A>(static_cast<std::size_t>(plan.units * splits * width)) : nullptr;
  parallel_for(plan.units * splits, plan.grain, [&](std::int64_t first, std::int64_t last) {
    A local[ReducePlan::kWidth];
    for (std::int64_t task = first; task < last; ++task) {
      const std::int64_t unit = task / splits, begin = task % splits * plan.portion;
      A* acc = splits > 1 ? partials + task * width : local;
      reduce_task<F>(plan, source + plan.origin(unit).x, plan.width(unit), begin,
                     std::min(begin + plan.portion, plan.total), acc);
      if (splits == 1) store(plan, unit, acc, target);
    }
  });
  if (splits == 1) return;
  for (std::int64_t unit = 0; unit < plan.units; ++unit) {
    A* acc = partials + unit * splits * width;
    for (std::int64_t split = 1; split < splits; ++split)
      for (std::int64_t c = 0; c < plan.width(unit); ++c) acc[c] = F{}(acc[c], acc[split * width + c]);
    store(plan, unit, acc, target);
  }
}

void sum_f32(Context& context, View x, View y) { reduce<SumOf, float>(context, x, y); }
void sum_f64(Context& context, View x, View y) { reduce<SumOf, double>(context, x, y); }
void max_f32(Context& context, View x, View y) { reduce<MaxOf, float>(context, x, y); }
void max_f64(Context& context, View x, View y) { reduce<MaxOf, double>(context, x, y); }

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

HWY_EXPORT(sum_f32);
HWY_EXPORT(sum_f64);
HWY_EXPORT(max_f32);
HWY_EXPORT(max_f64);

const int registered = [] {
  sum_fwd.add(Device::cpu, float32, [](Context& context, View x, View y) {
    HWY_DYNAMIC_DISPATCH(sum_f32)(context, x, y);
  });
  sum_fwd.add(Device::cpu, float64, [](Context& context, View x, View y) {
    HWY_DYNAMIC_DISPATCH(sum_f64)(context, x, y);
  });
  max_fwd.add(Device::cpu, float32, [](Context& context, View x, View y) {
    HWY_DYNAMIC_DISPATCH(max_f32)(context, x, y);
  });
  max_fwd.add(Device::cpu, float64, [](Context& context, View x, View y) {
    HWY_DYNAMIC_DISPATCH(max_f64)(context, x, y);
  });
  return 0;
}();

}  // namespace
}  // namespace tsr
#endif
