#pragma once
// Walks a reduction along its plan: what a fold does to dense rows and columns, taken over tensors of any
// strides, in an order fixed by the shape.

#include <algorithm>

#include "tensor/context.h"
#include "tensor/cpu/reduce_plan.h"
#include "tensor/parallel.h"

namespace tsr {

/// What a reduction of elements of T does, in accumulators of A, to results of R. The argmax fold has the
/// same members, and heeds `position`: where along the reduced axes a row begins.
template <class T, class A, class R = T>
struct Fold {
  using Element = T;
  using Accumulator = A;
  using Result = R;

  A identity;
  A (*of_row)(const T* x, std::int64_t count);
  /// acc[c] = f over acc[c] and column c of rows that lie `stride` apart.
  void (*of_columns)(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, A* acc);
  A (*of_pair)(A a, A b);
  R (*finish)(A a) = [](A a) { return static_cast<R>(a); };

  A row(const T* x, std::int64_t count, std::int64_t /*position*/) const { return of_row(x, count); }
  void columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t columns, A* acc,
               std::int64_t /*position*/) const {
    of_columns(x, rows, stride, columns, acc);
  }
};

template <class F>
class ReduceWalk {
  using T = typename F::Element;
  using A = typename F::Accumulator;
  using R = typename F::Result;

 public:
  ReduceWalk(const F& fold, const View& x, const View& y)
      : fold_(fold), plan_(x, y), source_(x.as<T>()), target_(y.as<R>()) {}

  void run(Context& context) const {
    const std::int64_t splits = plan_.splits, width = plan_.columns ? ReducePlan::kWidth : 1;
    A* partials = splits > 1 ? context.workspace_of<A>(static_cast<std::size_t>(plan_.units * splits * width))
                             : nullptr;
    parallel_for(plan_.units * splits, plan_.grain, [&](std::int64_t first, std::int64_t last) {
      A local[ReducePlan::kWidth];
      for (std::int64_t task = first; task < last; ++task) {
        const std::int64_t unit = task / splits, begin = task % splits * plan_.portion;
        A* acc = splits > 1 ? partials + task * width : local;
        reduce_task(unit, begin, std::min(begin + plan_.portion, plan_.total), acc);
        if (splits == 1) store(unit, acc);
      }
    });
    if (splits == 1) return;
    for (std::int64_t unit = 0; unit < plan_.units; ++unit) {
      A* acc = partials + unit * splits * width;
      for (std::int64_t split = 1; split < splits; ++split)
        for (std::int64_t c = 0; c < plan_.width(unit); ++c)
          acc[c] = fold_.of_pair(acc[c], acc[split * width + c]);
      store(unit, acc);
    }
  }

 private:
  static constexpr std::int64_t kElements = 1024;  // packed at a time where x isn't dense
  static constexpr std::int64_t kRows = 16;        // that a column's accumulator stays in a register for

  /// The partial results of a unit over [begin, end) of what is reduced.
  void reduce_task(std::int64_t unit, std::int64_t begin, std::int64_t end, A* acc) const {
    const std::int64_t width = plan_.width(unit), step = plan_.reduced.inner().x;
    const T* x = source_ + plan_.origin(unit).x;
    std::fill_n(acc, width, fold_.identity);
    plan_.reduced.for_runs(begin, end, [&](std::int64_t offset, std::int64_t count) {
      if (plan_.columns) {
        reduce_rows(x + offset, count, step, width, acc, begin);
      } else {
        acc[0] = fold_.of_pair(acc[0], reduce_run(x + offset, step, count, begin));
      }
      begin += count;
    });
  }

  /// The fold of `count` elements `stride` apart.
  A reduce_run(const T* x, std::int64_t stride, std::int64_t count, std::int64_t position) const {
    if (stride == 1) return fold_.row(x, count, position);
    T buffer[kElements];
    A result = fold_.identity;
    for (std::int64_t first = 0; first < count; first += kElements) {
      const std::int64_t n = std::min(kElements, count - first);
      for (std::int64_t i = 0; i < n; ++i) buffer[i] = x[(first + i) * stride];
      result = fold_.of_pair(result, fold_.row(buffer, n, position + first));
    }
    return result;
  }

  /// Folds `rows` rows of `width` columns into acc.
  void reduce_rows(const T* x, std::int64_t rows, std::int64_t row_stride, std::int64_t width, A* acc,
                   std::int64_t position) const {
    const std::int64_t column_stride = plan_.kept.inner().x;
    T buffer[kRows * ReducePlan::kWidth];
    for (std::int64_t first = 0; first < rows; first += kRows) {
      const std::int64_t n = std::min(kRows, rows - first);
      const T* block = x + first * row_stride;
      if (column_stride == 1) {
        fold_.columns(block, n, row_stride, width, acc, position + first);
        continue;
      }
      for (std::int64_t r = 0; r < n; ++r)
        for (std::int64_t c = 0; c < width; ++c)
          buffer[r * width + c] = block[r * row_stride + c * column_stride];
      fold_.columns(buffer, n, width, width, acc, position + first);
    }
  }

  void store(std::int64_t unit, const A* acc) const {
    R* to = target_ + plan_.origin(unit).y;
    for (std::int64_t c = 0; c < plan_.width(unit); ++c) to[c * plan_.kept.inner().y] = fold_.finish(acc[c]);
  }

  const F& fold_;
  const ReducePlan plan_;
  const T* source_;
  R* target_;
};

/// y = the fold of x over the axes where y has size 1.
template <class F>
void reduce(Context& context, const View& x, const View& y, const F& fold) {
  ReduceWalk<F>(fold, x, y).run(context);
}

}  // namespace tsr
