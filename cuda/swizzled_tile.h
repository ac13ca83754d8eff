#pragma once
// A matrix in shared memory for ldmatrix to read from, whichever way round, without bank conflicts.

#include <cstddef>

#include "cuda/kernel.h"

namespace tsr::TSR_BACKEND {

/// [rows][columns] in chunks of 16 bytes, at `bytes`. Chunks are permuted within a row, so that eight of one
/// column in rows that follow each other (a matrix of ldmatrix), and eight that follow each other along the
/// rows (what a quarter of a warp stores), lie in different banks.
template <class T, int rows, int columns>
struct SwizzledTile {
  static constexpr int kEach = 16 / sizeof(T);  ///< elements a chunk
  static constexpr int kRows = rows, kChunks = columns / kEach;
  static constexpr int kBytes = rows * kChunks * 16;
  static_assert(columns % kEach == 0 && kChunks % 4 == 0);

  std::byte* bytes;

  __device__ T* at(int row, int chunk) const {
    // Eight chunks are all banks. Of rows that aren't whole eights, neighbours are in different halves.
    const int lies_at = chunk ^ (kChunks % 8 == 0 ? row % 8 : row / 2 % 4);
    return reinterpret_cast<T*>(bytes + (row * kChunks + lies_at) * 16);
  }
};

}  // namespace tsr::TSR_BACKEND
