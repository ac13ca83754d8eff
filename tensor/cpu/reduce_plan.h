#pragma once
// How a reduction is cut into tasks: by shape and strides alone, so that the bits don't depend on threads.

#include <algorithm>
#include <cstdint>
#include <limits>

#include "tensor/view.h"

namespace tsr {

/// An axis of x, with its strides in x and in the result (0 there when it is reduced).
struct ReduceAxis {
  std::int64_t size = 1, x = 0, y = 0;
  /// Where the axis belongs in the loop nest: the smallest step innermost, repeated axes outermost.
  std::int64_t order() const { return x == 0 ? std::numeric_limits<std::int64_t>::max() : x; }
};

/// Axes of one kind, outermost first, merged where both strides allow it; never empty.
class ReduceAxes {
 public:
  void add(const ReduceAxis& axis) { axes_[rank_++] = axis; }
  void finish() {
    std::stable_sort(axes_, axes_ + rank_,
                     [](const ReduceAxis& a, const ReduceAxis& b) { return a.order() > b.order(); });
    int merged = 0;
    for (int i = 0; i < rank_; ++i) {
      const ReduceAxis& axis = axes_[i];
      ReduceAxis* outer = merged > 0 ? &axes_[merged - 1] : nullptr;
      if (outer != nullptr && outer->x == axis.x * axis.size && outer->y == axis.y * axis.size) {
        *outer = {outer->size * axis.size, axis.x, axis.y};
      } else {
        axes_[merged++] = axis;
      }
    }
    rank_ = merged;
    if (rank_ == 0) axes_[rank_++] = {};
  }

  const ReduceAxis& inner() const { return axes_[rank_ - 1]; }
  std::int64_t count() const { return outer_count() * inner().size; }
  std::int64_t outer_count() const {
    std::int64_t count = 1;
    for (int i = 0; i + 1 < rank_; ++i) count *= axes_[i].size;
    return count;
  }
  /// Offsets (size unused) of position `index` among the axes outside of the inner one.
  ReduceAxis outer_offset(std::int64_t index) const {
    ReduceAxis offset;
    for (int i = rank_ - 2; i >= 0; --i) {
      const std::int64_t position = index % axes_[i].size;
      index /= axes_[i].size;
      offset.x += position * axes_[i].x;
      offset.y += position * axes_[i].y;
    }
    return offset;
  }
  /// Calls body(offset in x, count) for the runs along the inner axis that make up [begin, end).
  template <class Body>
  void for_runs(std::int64_t begin, std::int64_t end, Body&& body) const {
    while (begin < end) {
      const std::int64_t first = begin % inner().size, count = std::min(inner().size - first, end - begin);
      body(outer_offset(begin / inner().size).x + first * inner().x, count);
      begin += count;
    }
  }

 private:
  ReduceAxis axes_[kMaxRank];
  int rank_ = 0;
};

/// A reduction as units × splits of independent tasks. A unit is one result, or, when x is densest along a
/// kept axis or what is reduced lies in short runs, up to kWidth neighbouring results along a kept axis.
struct ReducePlan {
  static constexpr std::int64_t kWidth = 256;       // columns a task: its double partials stay in cache
  static constexpr std::int64_t kTask = 1 << 14;    // elements that are worth a task of their own
  static constexpr std::int64_t kShortRun = 16;     // too few elements to reduce them as vectors
  static constexpr std::int64_t kEnoughTasks = 64;  // beyond this many, no unit is split

  ReduceAxes kept, reduced;
  bool columns = false;      ///< a unit is a stretch of results
  std::int64_t pieces = 1;   ///< of kWidth columns along that axis
  std::int64_t units = 0;    ///< tasks before splitting
  std::int64_t total = 0;    ///< elements (rows, when columns) that make up one result
  std::int64_t splits = 1;   ///< tasks a unit
  std::int64_t portion = 0;  ///< of `total` a task, the last one less
  std::int64_t grain = 1;    ///< tasks a chunk of parallel_for

  /// y has x's rank, with size 1 along the reduced axes, dense.
  ReducePlan(const View& x, const View& y) {
    for (int axis = 0; axis < x.rank; ++axis) {
      if (x.size[axis] == 1) continue;
      if (y.size[axis] == 1) {
        reduced.add({x.size[axis], x.stride[axis], 0});
      } else {
        kept.add({x.size[axis], x.stride[axis], y.stride[axis]});
      }
    }
    kept.finish();
    reduced.finish();
    const bool short_runs = reduced.inner().size < kShortRun && kept.inner().size >= kShortRun;
    columns = kept.inner().order() < reduced.inner().order() || short_runs;
    total = reduced.count();
    const std::int64_t width = columns ? std::min(kept.inner().size, kWidth) : 1;
    pieces = columns ? (kept.inner().size + kWidth - 1) / kWidth : 1;
    units = columns ? kept.outer_count() * pieces : kept.count();
    if (units == 0) return;
    cut(width);
  }

  /// Columns of a unit, and where its first result lies.
  std::int64_t width(std::int64_t unit) const {
    return columns ? std::min(kWidth, kept.inner().size - unit % pieces * kWidth) : 1;
  }
  ReduceAxis origin(std::int64_t unit) const {
    const std::int64_t run = columns ? pieces : kept.inner().size, step = columns ? kWidth : 1;
    ReduceAxis offset = kept.outer_offset(unit / run);
    offset.x += unit % run * step * kept.inner().x;
    offset.y += unit % run * step * kept.inner().y;
    return offset;
  }

 private:
  void cut(std::int64_t width) {
    const std::int64_t worth = (total * width + kTask - 1) / kTask;
    splits = std::max<std::int64_t>(1, std::min(worth, (kEnoughTasks + units - 1) / units));
    portion = (total + splits - 1) / splits;
    if (portion > 0) splits = (total + portion - 1) / portion;
    grain = splits > 1 ? 1 : std::max<std::int64_t>(1, kTask / std::max<std::int64_t>(1, portion * width));
  }
};

}  // namespace tsr
