#pragma once
// The tiled matrix product of the CUDA cores (SGEMM), which matmul, linear and convolution share: a block of
// 256 threads makes 64 x 64 of C from tiles of 64 x 16 of A and 16 x 64 of B in shared memory, a thread 4 x 4
// in registers. Operands are functors, asked for single elements: a convolution's patches need no buffer.

#include <cstdint>

#include "cuda/kernel.h"
#include "cuda/numeric.h"

namespace tsr::TSR_BACKEND {

/// C[m, n] = A[m, k] · B[k, n] for each of `batch` matrices. The depth is cut into `splits` portions whose
/// products leave one by one.
struct GemmShape {
  std::int64_t batch, m, n, k, splits = 1, portion = 0;

  static constexpr int kTile = 64, kDepth = 16, kThreads = 256, kEach = 4;
  constexpr std::int64_t tiles_m() const { return (m + kTile - 1) / kTile; }
  constexpr std::int64_t tiles_n() const { return (n + kTile - 1) / kTile; }
  std::int64_t blocks() const { return batch * splits * tiles_m() * tiles_n(); }
};

/// Which part of the problem a block has.
struct GemmBlock {
  std::int64_t batch, split, row, col, begin, end;

  __device__ GemmBlock(const GemmShape& shape, std::int64_t index) {
    col = index % shape.tiles_n() * GemmShape::kTile, index /= shape.tiles_n();
    row = index % shape.tiles_m() * GemmShape::kTile, index /= shape.tiles_m();
    split = index % shape.splits, batch = index / shape.splits;
    begin = shape.splits == 1 ? 0 : split * shape.portion;
    end = shape.splits == 1 || split + 1 == shape.splits ? shape.k : begin + shape.portion;
  }
};

/// Fills tile[depth][place] with element(place, depth), zeros beyond the edges. Neighbouring threads take
/// neighbouring depths where memory runs along the depth, else neighbouring places.
template <class Element>
__device__ void load_tile(float (&tile)[GemmShape::kDepth][GemmShape::kTile + 4], std::int64_t places,
                          std::int64_t depths, bool along_depth, const Element& element) {
  for (int i = static_cast<int>(threadIdx.x); i < GemmShape::kTile * GemmShape::kDepth;
       i += GemmShape::kThreads) {
    const int depth = along_depth ? i % GemmShape::kDepth : i / GemmShape::kTile;
    const int place = along_depth ? i / GemmShape::kDepth : i % GemmShape::kTile;
    tile[depth][place] = place < places && depth < depths ? element(place, depth) : 0;
  }
}

/// A gives a(batch, row, k), B gives b(batch, k, col), C takes c(batch, split, row, col, value); A and B say
/// whether neighbours along k are neighbours in memory.
template <class A, class B, class C>
__global__ void __launch_bounds__(GemmShape::kThreads) gemm_tile_kernel(GemmShape shape, A a, B b, C c) {
  constexpr int kTile = GemmShape::kTile, kDepth = GemmShape::kDepth, kEach = GemmShape::kEach;
  SHARED(float, tile_a, [kDepth][kTile + 4]);
  SHARED(float, tile_b, [kDepth][kTile + 4]);
  const GemmBlock block(shape, blockIdx.x);
  const int own_row = static_cast<int>(threadIdx.x) / 16, own_col = static_cast<int>(threadIdx.x) % 16;
  float sum[kEach][kEach] = {};
  for (std::int64_t k = block.begin; k < block.end; k += kDepth) {
    load_tile(tile_a, shape.m - block.row, block.end - k, a.along_depth,
              [&](int place, int depth) { return a(block.batch, block.row + place, k + depth); });
    load_tile(tile_b, shape.n - block.col, block.end - k, b.along_depth,
              [&](int place, int depth) { return b(block.batch, k + depth, block.col + place); });
    __syncthreads();
    for (int depth = 0; depth < kDepth; ++depth)
      for (int i = 0; i < kEach; ++i)
        for (int j = 0; j < kEach; ++j)  // 16 apart: the threads of a warp read neighbouring words
          sum[i][j] += tile_a[depth][own_row + 16 * i] * tile_b[depth][own_col + 16 * j];
    __syncthreads();  // before the next tiles overwrite these
  }
  for (int i = 0; i < kEach; ++i)
    for (int j = 0; j < kEach; ++j) {
      const std::int64_t row = block.row + own_row + 16 * i, col = block.col + own_col + 16 * j;
      if (row < shape.m && col < shape.n) c(block.batch, block.split, row, col, sum[i][j]);
    }
}

/// Launches it; nothing for an empty C.
template <class A, class B, class C>
void launch_gemm(const GemmShape& shape, const A& a, const B& b, const C& c) {
  if (shape.blocks() == 0) return;
  launch<gemm_tile_kernel<A, B, C>>(
      {.grid = {static_cast<unsigned>(shape.blocks())}, .block = {GemmShape::kThreads}}, current_stream(),
      shape, a, b, c);
}

}  // namespace tsr::TSR_BACKEND
