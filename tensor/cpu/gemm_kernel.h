// The inner kernel of the matrix product: one tile of C held in registers while K runs.
#pragma once

#include <cstdint>

#include "tensor/cpu/meanwhile.h"

namespace tsr::cpu {

/// C[i, j] (+)= Σ_k A[i, k] · B[k, j] for a tile of `Kernels::rows_max` rows at most.
template <class T>
struct TileArgs {
  std::int64_t rows, depth;  ///< extents of i and k
  const T* a;                ///< element (i, k) at a[i·row_step + k·depth_step]
  std::int64_t row_step, depth_step;
  const T* b;                      ///< packed: element (k, j) at b[k·width + j], 64-byte aligned
  T* c;                            ///< row i begins at c + c_rows[i]
  const std::int64_t* c_rows;      ///< offsets in elements
  std::int64_t c_step;             ///< between the offsets, 0 where it differs
  std::int64_t cols;               ///< columns of C to write, at most the kernel's width
  bool accumulate;                 ///< add to C instead of overwriting it
  Meanwhile* meanwhile = nullptr;  ///< what kernels on a machine's tiles have slots for
};

template <class T>
using TileKernel = void (*)(const TileArgs<T>&);

inline constexpr int kMaxTileRows = 32;
inline constexpr int kRowTiles = 8;  ///< of a block of A, at most

/// The rows of A that one tile has, as packers leave them, behind `lead` depths of zeros.
template <class T>
struct TileRows {
  const T* data;  ///< element (i, k) at data[i·row_step + k·depth_step]
  std::int64_t row_step, depth_step;
  std::int64_t rows, lead, depth;
};

/// How operands lie for kernels that do not read what the packers leave. Depths go by units, and zeros fill
/// the last one of either operand; TileArgs' depth is then a multiple of a unit, and its steps mean nothing.
template <class T>
struct TileForm {
  std::int64_t depths;  ///< of a unit
  std::int64_t size;    ///< elements that a unit takes, of a tile's rows of A as of a panel of B
  void (*rows)(const TileRows<T>&, T* to);
  /// From a panel that is `width` wide, and of which the first `cols` columns count.
  void (*panel)(const T* from, std::int64_t depth_step, std::int64_t depth, std::int64_t cols,
                std::int64_t width, T* to);

  std::int64_t units(std::int64_t depth) const { return (depth + depths - 1) / depths; }
  std::int64_t room(std::int64_t depth) const { return units(depth) * size; }
};

/// The kernels of one instruction set: at most `rows_max` rows and one or two vectors of columns.
template <class T>
struct TileKernels {
  int rows_max;
  int lanes;                             ///< elements in a vector
  TileKernel<T> table[2][kMaxTileRows];  ///< [vectors − 1][rows − 1]
  int slots = 0;                         ///< in a unit of depth
  int tiles = kRowTiles;  ///< of a block of A, at most: it shares the second-level cache with the task's B
  /// Depth of a block whose panel of B stays in the first-level cache.
  std::int64_t depth_max = 256;
  const TileForm<T>* form = nullptr;  ///< null: they read what the packers leave

  TileKernel<T> at(int vectors, std::int64_t rows) const { return table[vectors - 1][rows - 1]; }
  /// Rows of each tile but the last, when `rows` rows are cut into as few tiles as hold them: full ones for
  /// kernels that need as long for fewer.
  std::int64_t height(std::int64_t rows) const {
    const std::int64_t tiles = (rows + rows_max - 1) / rows_max;
    return form ? rows_max : (rows + tiles - 1) / tiles;
  }
  /// Columns of a full panel of B.
  int panel_width() const { return 2 * lanes; }
  /// Elements of a full panel of B.
  std::int64_t panel_size(std::int64_t depth) const {
    return form ? form->room(depth) : panel_width() * depth;
  }
  /// Where a depth begins, at a unit's if they have any, in a panel of so many vectors.
  std::int64_t panel_offset(std::int64_t depth, int vectors) const {
    return form ? form->room(depth) : depth * vectors * lanes;
  }
};

/// The kernels for this machine; T is float or double.
template <class T>
const TileKernels<T>& tile_kernels();
/// The ones for a product of this shape.
template <class T>
const TileKernels<T>& tile_kernels(std::int64_t rows, std::int64_t cols, std::int64_t depth);

}  // namespace tsr::cpu
