// The inner kernel of the matrix product: one tile of C held in registers while K runs.
#pragma once

#include <cstdint>

namespace tsr::cpu {

/// How the kernel reads A: `rows` has consecutive k beside each other (element (i, k) at a[i·stride + k]);
/// `columns` has consecutive rows beside each other (element (i, k) at a[i + k·stride]).
enum class Layout : std::uint8_t { rows, columns };

/// C[i, j] (+)= Σ_k A[i, k] · B[k, j] for a tile of `Kernels::rows_max` rows at most.
template <class T>
struct TileArgs {
  std::int64_t depth;          ///< extent of k
  const T* a;                  ///< see Layout
  std::int64_t a_stride;       ///< in elements
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
  int lanes;                                ///< elements in a vector
  TileKernel<T> table[2][2][kMaxTileRows];  ///< [layout][vectors − 1][rows − 1]

  TileKernel<T> at(Layout layout, int vectors, std::int64_t rows) const {
    return table[static_cast<int>(layout)][vectors - 1][rows - 1];
  }
  /// Columns of a full panel of B.
  int panel_width() const { return 2 * lanes; }
};

/// The kernels for this machine; T is float or double.
template <class T>
const TileKernels<T>& tile_kernels();

}  // namespace tsr::cpu
