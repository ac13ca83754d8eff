// The inner kernel of the matrix product: one tile of C held in registers while K runs.
#pragma once

#include <cstdint>

namespace tsr::cpu {

/// C[i, j] (+)= Σ_k A[i, k] · B[k, j] for a tile of `Kernels::rows_max` rows at most.
template <class T>
struct TileArgs {
  std::int64_t depth;  ///< extent of k
  const T* a;          ///< element (i, k) at a[i·row_step + k·depth_step]
  std::int64_t row_step, depth_step;
  const T* b;                  ///< packed: element (k, j) at b[k·width + j], 64-byte aligned
  T* c;                        ///< row i begins at c + c_rows[i]
  const std::int64_t* c_rows;  ///< offsets in elements
  std::int64_t cols;           ///< columns of C to write, at most the kernel's width
  bool accumulate;             ///< add to C instead of overwriting it
};

template <class T>
using TileKernel = void (*)(const TileArgs<T>&);

inline constexpr int kMaxTileRows = 14;

/// The kernels of one instruction set: at most `rows_max` rows and one or two vectors of columns.
template <class T>
struct TileKernels {
  int rows_max;
  int lanes;                             ///< elements in a vector
  TileKernel<T> table[2][kMaxTileRows];  ///< [vectors − 1][rows − 1]

  TileKernel<T> at(int vectors, std::int64_t rows) const { return table[vectors - 1][rows - 1]; }
  /// Rows of each tile but the last, when `rows` rows are cut into as few tiles as hold them.
  std::int64_t height(std::int64_t rows) const {
    const std::int64_t tiles = (rows + rows_max - 1) / rows_max;
    return (rows + tiles - 1) / tiles;
  }
  /// Columns of a full panel of B.
  int panel_width() const { return 2 * lanes; }
};

/// The kernels for this machine; T is float or double.
template <class T>
const TileKernels<T>& tile_kernels();

}  // namespace tsr::cpu
