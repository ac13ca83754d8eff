#pragma once
// Walks the elements of several views of one (broadcast) shape at once: by rows on the host, one by one on a
// device.

#include <array>
#include <cstdint>

#include "tensor/parallel.h"
#include "tensor/view.h"

namespace tsr {

template <int N>
using RowStrides = std::array<std::int64_t, N>;

/// The shape of N views with axes merged wherever all of them allow it; the last axis is the row.
template <int N>
struct StridedLoop {
  int rank = 0;
  std::int64_t size[kMaxRank] = {};
  std::array<std::int64_t, N> stride[kMaxRank] = {};

  /// The last view gives the shape; the others, of equal or lower rank, broadcast to it (aligned at the end).
  explicit StridedLoop(const std::array<const View*, N>& views) {
    const View& shape = *views[N - 1];
    for (int axis = 0; axis < shape.rank; ++axis) {
      if (shape.size[axis] == 1) continue;
      std::array<std::int64_t, N> steps{};
      for (int v = 0; v < N; ++v) {
        const int own = axis - (shape.rank - views[v]->rank);
        steps[v] = own < 0 || views[v]->size[own] == 1 ? 0 : views[v]->stride[own];
      }
      append(shape.size[axis], steps);
    }
    if (rank == 0) append(1, {});
  }

  std::int64_t row() const { return size[rank - 1]; }
  std::int64_t rows() const {
    std::int64_t count = 1;
    for (int axis = 0; axis + 1 < rank; ++axis) count *= size[axis];
    return count;
  }

  std::int64_t count() const { return rows() * row(); }

  /// Element offsets at the start of row `index`.
  std::array<std::int64_t, N> offsets(std::int64_t index) const { return offsets(index, rank - 2); }
  /// Element offsets of position `index` among the axes up to `last`. For device code as well: constexpr.
  constexpr std::array<std::int64_t, N> offsets(std::int64_t index, int last) const {
    std::array<std::int64_t, N> offset{};
    for (int axis = last; axis >= 0; --axis) {
      const std::int64_t position = index % size[axis];
      index /= size[axis];
      for (int v = 0; v < N; ++v) offset[v] += position * stride[axis][v];
    }
    return offset;
  }

 private:
  void append(std::int64_t count, const std::array<std::int64_t, N>& steps) {
    if (rank > 0) {
      bool merges = true;
      for (int v = 0; v < N; ++v) merges = merges && stride[rank - 1][v] == steps[v] * count;
      if (merges) {
        size[rank - 1] *= count;
        stride[rank - 1] = steps;
        return;
      }
    }
    size[rank] = count;
    stride[rank++] = steps;
  }
};

/// Calls body(offsets, strides, count) for pieces of rows that together cover every element once, in
/// parallel. The last view gives the shape. Pieces depend on the shapes alone.
template <int N, class Body>
void for_each_row(const std::array<const View*, N>& views, Body&& body) {
  constexpr std::int64_t kGrain = 1 << 14;  // elements a chunk: big enough to hide the hand-out
  const StridedLoop<N> loop(views);
  const std::int64_t row = loop.row(), rows = loop.rows();
  if (row == 0 || rows == 0) return;
  const RowStrides<N> stride = loop.stride[loop.rank - 1];
  if (row >= kGrain) {  // long rows: cut each of them
    const std::int64_t pieces = (row + kGrain - 1) / kGrain;
    parallel_for(rows * pieces, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i % pieces * kGrain;
        auto offset = loop.offsets(i / pieces);
        for (int v = 0; v < N; ++v) offset[v] += first * stride[v];
        body(offset, stride, row - first < kGrain ? row - first : kGrain);
      }
    });
    return;
  }
  parallel_for(rows, (kGrain + row - 1) / row, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(loop.offsets(i), stride, row);
  });
}

}  // namespace tsr
