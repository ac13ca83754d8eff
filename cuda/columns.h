#pragma once
// Matrices by columns: the threads of a warp are on adjacent columns, so that they touch neighbours, and the
// rows are shared out to the strips of a block and to blocks. For reductions over the rows, in two launches,
// and for kernels with factors that belong to a column.

#include <algorithm>

#include "cuda/reduce.h"
#include "tensor/context.h"

namespace tsr::TSR_BACKEND {

/// How [batch, rows, columns] is laid out on blocks: by the shape alone. A block is `width` columns by
/// `height` strips; strip s of it has the rows s, s + height, … of its portion.
struct ColumnShape {
  static constexpr std::int64_t kThreads = 256, kEnoughBlocks = 1024;
  static constexpr std::int64_t kFewest = 8, kMost = 1024;  ///< rows a thread

  std::int64_t batch, rows, columns;
  std::int64_t width = 1, height;  ///< powers of two
  std::int64_t portion, splits;    ///< rows a block, and portions of a column
  std::int64_t across;             ///< blocks side by side

  /// Where rows are neighbours in memory and columns aren't, `widest` is 1: a block is then a column.
  ColumnShape(std::int64_t batch, std::int64_t rows, std::int64_t columns, std::int64_t widest = 32)
      : batch(batch), rows(rows), columns(columns) {
    while (width < widest && width < columns) width *= 2;
    height = kThreads / width;
    while (height / 2 >= rows && height * width > 32) height /= 2;
    across = (columns + width - 1) / width;
    portion = height * std::clamp(batch * rows * across / (height * kEnoughBlocks), kFewest, kMost);
    splits = (rows + portion - 1) / portion;
  }
  /// The shape of the portions' results: one block finishes some columns, few, as these results are large.
  ColumnShape partial() const {
    ColumnShape result(batch, splits, columns, std::min<std::int64_t>(width, 4));
    result.portion = splits;
    result.splits = 1;
    return result;
  }

  std::int64_t results() const { return batch * columns; }
  LaunchShape launch_shape() const {
    return {.grid = {static_cast<unsigned>(batch * splits * across)},
            .block = {static_cast<unsigned>(width * height)}};
  }
};

/// What a thread has of a ColumnShape: the rows first, first + step, … below `last` of a column.
struct ColumnPlace {
  std::int64_t batch, split, strip, column, first, last, step;
  bool inside;  ///< whether there is such a column

  __device__ explicit ColumnPlace(const ColumnShape& shape) {
    const std::int64_t block = blockIdx.x, thread = threadIdx.x;
    batch = block / shape.across / shape.splits;
    split = block / shape.across % shape.splits;
    strip = thread / shape.width;
    column = block % shape.across * shape.width + thread % shape.width;
    first = split * shape.portion + strip;
    last = (split + 1) * shape.portion < shape.rows ? (split + 1) * shape.portion : shape.rows;
    step = shape.height;
    inside = column < shape.columns;
  }
  /// Calls use(row, load(row)) for each of the rows in turn, and load some rows ahead of use: a GPU waits for
  /// memory once for all of these.
  template <class Load, class Use>
  __device__ void each_row(const Load& load, const Use& use) const {
    constexpr int kAhead =
        std::clamp(64 / static_cast<int>(sizeof(load(first))), 2, 8);  // what registers hold
    std::int64_t row = first;
    for (; row + (kAhead - 1) * step < last; row += kAhead * step) {
      decltype(load(row)) loaded[kAhead];
      UNROLL
      for (int k = 0; k < kAhead; ++k) loaded[k] = load(row + k * step);
      UNROLL
      for (int k = 0; k < kAhead; ++k) use(row + k * step, loaded[k]);
    }
    for (; row < last; row += step) use(row, load(row));
  }
};

/// The threads of strip 0 get the result over all strips of their column; all threads of the block call it,
/// once in a kernel.
template <class A, class Combine>
__device__ inline A reduce_strips(const ColumnShape& shape, A own, Combine combine) {
  SHARED(A, strips, [ColumnShape::kThreads]);
  strips[threadIdx.x] = own;
  for (std::int64_t half = shape.height / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x >= half * shape.width) continue;
    own = combine(own, strips[threadIdx.x + half * shape.width]);
    strips[threadIdx.x] = own;
  }
  return own;
}

template <class A, class Combine, class Source>
__global__ void column_portions_kernel(ColumnShape shape, Combine combine, Source source, A* partial) {
  const ColumnPlace at(shape);
  const A all = reduce_strips(shape, at.inside ? source(at) : Combine::template identity<A>(), combine);
  if (at.inside && at.strip == 0)
    partial[(at.batch * shape.splits + at.split) * shape.columns + at.column] = all;
}

template <class A, class Combine, class Sink>
__global__ void column_results_kernel(ColumnShape shape, Combine combine, const A* partial, Sink sink) {
  const ColumnPlace at(shape);
  A own = Combine::template identity<A>();
  if (at.inside)
    at.each_row(
        [&](std::int64_t row) { return partial[(at.batch * shape.rows + row) * shape.columns + at.column]; },
        [&](std::int64_t, const A& portion) { own = combine(own, portion); });
  own = reduce_strips(shape, own, combine);
  if (at.inside && at.strip == 0) sink(at.batch * shape.columns + at.column, own);
}

/// The first launch of reduce_columns: [batch, splits, columns], in the context's workspace.
template <class A, class Combine, class Source>
A* reduce_portions(Context& context, const ColumnShape& shape, Combine combine, const Source& source) {
  A* partial = context.workspace_of<A>(static_cast<std::size_t>(shape.results() * shape.splits));
  if (shape.results() * shape.splits > 0)
    launch<column_portions_kernel<A, Combine, Source>>(shape.launch_shape(), current_stream(), shape, combine,
                                                       source, partial);
  return partial;
}

/// Combines all rows of each column. source(place) gives what a thread's rows come to, sink(batch·columns +
/// column, result) takes what all come to, the combination's identity for no rows.
template <class A, class Combine, class Source, class Sink>
void reduce_columns(Context& context, const ColumnShape& shape, Combine combine, const Source& source,
                    const Sink& sink) {
  if (shape.results() == 0) return;
  const A* partial = reduce_portions<A>(context, shape, combine, source);
  const ColumnShape rest = shape.partial();
  launch<column_results_kernel<A, Combine, Sink>>(rest.launch_shape(), current_stream(), rest, combine,
                                                  partial, sink);
}

/// Launches a kernel whose threads are ColumnPlaces, for results of x's shape; its first parameter is the
/// shape.
template <auto kernel, class... Arguments>
void launch_columns(const ColumnShape& shape, const Arguments&... arguments) {
  if (shape.results() * shape.splits == 0) return;
  launch<kernel>(shape.launch_shape(), current_stream(), shape, arguments...);
}

}  // namespace tsr::TSR_BACKEND
