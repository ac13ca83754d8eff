#pragma once
// How a reduction is cut into tasks: by shape and strides alone, so that the bits don't depend on threads.

#include <algorithm>
#include <cstdint>

#include "tensor/reduce_axes.h"

namespace tsr {

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
    split_axes(x, y, kept, reduced);
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
