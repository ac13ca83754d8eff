// How a matrix product is cut into blocks and tasks: by its shape and the kernel's, never by the thread
// count.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/cpu/gemm.h"

namespace tsr::cpu {

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

struct Range {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};

/// An extent cut into groups of equal length, each cut into blocks of nearly equal length, multiples of a
/// unit but for the last. Blocks are numbered so that the first block of every group comes before any second
/// one.
class Blocking {
 public:
  Blocking() = default;
  Blocking(std::int64_t extent, std::int64_t group, std::int64_t block_limit, std::int64_t unit = 1);

  std::int64_t count() const { return groups_ * parts_; }
  /// The longest block.
  std::int64_t largest() const { return size_; }
  Range at(std::int64_t block) const;

 private:
  std::int64_t group_ = 0, groups_ = 0, parts_ = 0, size_ = 0;
};

/// What one call of the work function computes.
struct Task {
  std::int64_t batch, split;
  Range rows, depths, panels;  ///< numbers of row blocks, depth blocks and panels
};

struct Plan {
  Blocking rows, depths;
  std::int64_t cols = 0;    ///< n
  std::int64_t lanes = 0;   ///< elements in a vector; a panel has two
  std::int64_t panels = 0;  ///< ⌈cols / (2·lanes)⌉
  bool share_b = false;     ///< pack B once for all tasks, else each task packs what it needs
  std::int64_t batch = 1;
  std::int64_t splits = 1;         ///< depth is cut in so many partial products, which are then summed
  std::int64_t rows_per_task = 1;  ///< in row blocks
  std::int64_t panels_per_task = 1;
  std::int64_t a_row_stride = 0, a_size = 0;  ///< of the packed block of A, in elements
  std::int64_t panel_size = 0;                ///< of a packed panel of B

  std::int64_t row_tasks() const { return ceil_div(rows.count(), rows_per_task); }
  std::int64_t panel_tasks() const { return ceil_div(panels, panels_per_task); }
  std::int64_t tasks() const { return batch * splits * row_tasks() * panel_tasks(); }
  Task task(std::int64_t index) const;
  Range panel(std::int64_t index) const;
  /// Vectors that a panel of this many columns needs: 1 or 2.
  int vectors(Range panel) const { return panel.size() > lanes ? 2 : 1; }
};

template <class T>
Plan make_plan(const Gemm<T>& problem);

/// The kernels that the plan is for: by the size of its blocks, which groups may limit.
template <class T>
const TileKernels<T>& kernels_of(const Gemm<T>& problem) {
  return tile_kernels<T>(problem.row_group > 0 ? problem.row_group : problem.m, problem.n,
                         problem.depth_group > 0 ? std::min(problem.depth_group, problem.k) : problem.k);
}

}  // namespace tsr::cpu
