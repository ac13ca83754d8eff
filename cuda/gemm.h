#pragma once
// What a matrix product is, for the kernels that make one: on the CUDA cores (cuda/sgemm.h) and on the tensor
// cores (cuda/mma_gemm.h). Operands and results are functors, asked for single places: a convolution's
// patches need no buffer.
//
// An operand is the rows of A or the columns of B, its *places*, whose elements along k are its *depth*:
//   Element              their type
//   along_depth          whether neighbours along the depth are neighbours in memory, else those along the
//                        places
//   chunks               whether any 16 bytes' worth of neighbours, from a multiple of that along the axis,
//                        are together in memory and 16-byte aligned, or all zero
//   data                 some of its memory
//   of(batch).line(place)
//                        a function (depth) -> const Element*, null for a zero. Threads keep lines, which
//                        know what the place alone decides
//
// A result gives
//   Element              what is stored
//   pairs                whether places (row, col) and (row, col + 1) of an even col are one aligned pair
//   at(batch, split, row, col)            where a sum goes
//   finish(batch, row, col, sum)          what goes there

#include <cstdint>
#include <type_traits>

#include "cuda/kernel.h"
#include "cuda/numeric.h"

namespace tsr::TSR_BACKEND {

/// C[m, n] = A[m, k] · B[k, n] for each of `batch` matrices. The depth is cut into `splits` portions whose
/// products leave one by one.
struct GemmShape {
  std::int64_t batch, m, n, k, splits = 1, portion = 0;

  /// Number of blocks that make tile_m x tile_n of C each.
  std::int64_t blocks(std::int64_t tile_m, std::int64_t tile_n) const {
    return batch * splits * ((m + tile_m - 1) / tile_m) * ((n + tile_n - 1) / tile_n);
  }
};

/// Blocks that keep a GPU busy: the multiprocessors of an A100.
inline constexpr std::int64_t kEnoughGemmBlocks = 108;

/// Which part of the problem a block has: a tile of C, and a portion of the depth. In few registers, since
/// they live as long as the block.
template <int tile_m, int tile_n>
struct GemmBlock {
  unsigned batch, split, tile_row, tile_col;

  __device__ explicit GemmBlock(const GemmShape& shape) {
    const auto tiles = [](std::int64_t size, int tile) {
      return static_cast<unsigned>((size + tile - 1) / tile);
    };
    const unsigned tiles_m = tiles(shape.m, tile_m), tiles_n = tiles(shape.n, tile_n);
    const auto splits = static_cast<unsigned>(shape.splits);
    unsigned index = blockIdx.x;
    tile_col = index % tiles_n, index /= tiles_n;
    tile_row = index % tiles_m, index /= tiles_m;
    split = index % splits, batch = index / splits;
  }
  __device__ std::int64_t row() const { return std::int64_t{tile_row} * tile_m; }
  __device__ std::int64_t col() const { return std::int64_t{tile_col} * tile_n; }
  /// Of the depth.
  __device__ std::int64_t begin(const GemmShape& shape) const { return split * shape.portion; }
  __device__ std::int64_t end(const GemmShape& shape) const {
    return split + 1 == shape.splits ? shape.k : (split + 1) * shape.portion;
  }
};

/// Calls body with whether the operand is along_depth, as a constant; once where its type says it already.
template <class Operand, class Body>
void with_direction(const Operand& operand, const Body& body) {
  if constexpr (std::is_same_v<decltype(&Operand::along_depth), const bool*>) {  // a static member
    body(std::bool_constant<Operand::along_depth>{});
  } else if (operand.along_depth) {
    body(std::true_type{});
  } else {
    body(std::false_type{});
  }
}

/// Element (place, depth) of a matrix is at place·step + depth·depth_step.
template <class T>
struct Matrix {
  const T* data;
  std::int64_t step, depth_step;

  struct Line {
    const T* data;
    std::int64_t depth_step;
    __device__ const T* operator()(std::int64_t depth) const { return data + depth * depth_step; }
  };
  __device__ Line line(std::int64_t place) const { return {data + place * step, depth_step}; }
};

/// Whether each row of `steps` apart begins at a multiple of 16 bytes; steps of axes of size 1 don't matter.
template <class T>
bool keeps_alignment(std::int64_t size, std::int64_t step) {
  return size == 1 || step % static_cast<std::int64_t>(16 / sizeof(T)) == 0;
}
inline bool is_aligned(const void* p, std::size_t bytes) {
  return reinterpret_cast<std::uintptr_t>(p) % bytes == 0;
}

}  // namespace tsr::TSR_BACKEND
