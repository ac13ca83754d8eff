#pragma once
// The axes of a reduction: those that stay and those that go, merged and ordered.

#include <algorithm>
#include <cstdint>
#include <limits>

#include "tensor/view.h"

namespace tsr {

/// An axis of x, with its strides in x and in the result (0 there when it is reduced).
struct ReduceAxis {
  std::int64_t size = 1, x = 0, y = 0;
  /// Where the axis belongs in the loop nest: the smallest step innermost, repeated axes outermost.
  constexpr std::int64_t order() const { return x == 0 ? std::numeric_limits<std::int64_t>::max() : x; }
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

  constexpr const ReduceAxis& inner() const { return axes_[rank_ - 1]; }
  constexpr std::int64_t count() const { return outer_count() * inner().size; }
  constexpr std::int64_t outer_count() const {
    std::int64_t count = 1;
    for (int i = 0; i + 1 < rank_; ++i) count *= axes_[i].size;
    return count;
  }
  /// Offsets (size unused) of position `index` among the axes outside of the inner one.
  constexpr ReduceAxis outer_offset(std::int64_t index) const { return offset(index, rank_ - 2); }
  /// Offsets of position `index` among all axes.
  constexpr ReduceAxis offset(std::int64_t index) const { return offset(index, rank_ - 1); }
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
  constexpr ReduceAxis offset(std::int64_t index, int last) const {
    ReduceAxis result;
    for (int i = last; i >= 0; --i) {
      const std::int64_t position = index % axes_[i].size;
      index /= axes_[i].size;
      result.x += position * axes_[i].x;
      result.y += position * axes_[i].y;
    }
    return result;
  }

  ReduceAxis axes_[kMaxRank];
  int rank_ = 0;
};

/// The axes of x by what a reduction does to them: y has x's rank, with size 1 along the reduced ones.
inline void split_axes(const View& x, const View& y, ReduceAxes& kept, ReduceAxes& reduced) {
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
}

}  // namespace tsr
