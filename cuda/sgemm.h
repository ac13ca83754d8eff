#pragma once
// The matrix product of the CUDA cores (SGEMM): a block of 256 threads makes 64 x 64 of C from tiles of 64 x
// 16 of A and 16 x 64 of B in shared memory, a thread 4 x 4 in registers. cuda/gemm.h says what operands are.

#include "cuda/gemm.h"

namespace tsr::TSR_BACKEND {

struct Sgemm {
  static constexpr int kTile = 64, kDepth = 16, kThreads = 256, kEach = 4;
};

/// Fills tile[depth][place] from an operand, zeros beyond the edges. Neighbouring threads take neighbours in
/// memory.
template <class Element>
__device__ void load_tile(float (&tile)[Sgemm::kDepth][Sgemm::kTile + 4], std::int64_t first_place,
                          std::int64_t places, std::int64_t first_depth, std::int64_t depths,
                          bool along_depth, const Element& element) {
  for (int i = static_cast<int>(threadIdx.x); i < Sgemm::kTile * Sgemm::kDepth; i += Sgemm::kThreads) {
    const int depth = along_depth ? i % Sgemm::kDepth : i / Sgemm::kTile;
    const int place = along_depth ? i / Sgemm::kDepth : i % Sgemm::kTile;
    const bool inside = first_place + place < places && first_depth + depth < depths;
    const auto* from = inside ? element(first_place + place, first_depth + depth) : nullptr;
    tile[depth][place] = from != nullptr ? widen(*from) : 0;
  }
}

template <class A, class B, class C>
__global__ void __launch_bounds__(Sgemm::kThreads) sgemm_kernel(GemmShape shape, A a, B b, C c) {
  constexpr int kTile = Sgemm::kTile, kDepth = Sgemm::kDepth, kEach = Sgemm::kEach;
  SHARED(float, tile_a, [kDepth][kTile + 4]);
  SHARED(float, tile_b, [kDepth][kTile + 4]);
  const GemmBlock<kTile, kTile> block(shape);
  const auto element_a = a.of(block.batch);
  const auto element_b = b.of(block.batch);
  const int own_row = static_cast<int>(threadIdx.x) / 16, own_col = static_cast<int>(threadIdx.x) % 16;
  float sum[kEach][kEach] = {};
  const std::int64_t end = block.end(shape);
  for (std::int64_t k = block.begin(shape); k < end; k += kDepth) {
    load_tile(tile_a, block.row(), shape.m, k, end, a.along_depth, element_a);
    load_tile(tile_b, block.col(), shape.n, k, end, b.along_depth, element_b);
    __syncthreads();
    for (int depth = 0; depth < kDepth; ++depth)
      for (int i = 0; i < kEach; ++i)
        for (int j = 0; j < kEach; ++j)  // 16 apart: the threads of a warp read neighbouring words
          sum[i][j] += tile_a[depth][own_row + 16 * i] * tile_b[depth][own_col + 16 * j];
    __syncthreads();  // before the next tiles overwrite these
  }
  for (int i = 0; i < kEach; ++i)
    for (int j = 0; j < kEach; ++j) {
      const std::int64_t row = block.row() + own_row + 16 * i, col = block.col() + own_col + 16 * j;
      if (row < shape.m && col < shape.n)
        *c.at(block.batch, block.split, row, col) = c.finish(block.batch, row, col, sum[i][j]);
    }
}

/// Launches it; nothing for an empty C.
template <class A, class B, class C>
void launch_sgemm(const GemmShape& shape, const A& a, const B& b, const C& c) {
  const std::int64_t blocks = shape.blocks(Sgemm::kTile, Sgemm::kTile);
  if (blocks == 0) return;
  launch<sgemm_kernel<A, B, C>>({.grid = {static_cast<unsigned>(blocks)}, .block = {Sgemm::kThreads}},
                                current_stream(), shape, a, b, c);
}

}  // namespace tsr::TSR_BACKEND
