#pragma once
// The matrix product of the CUDA cores (SGEMM): a block of 256 threads makes a square tile of C from slices
// of A and B in shared memory, a thread 4 x 4 or 8 x 8 in registers. While a block multiplies one pair of
// slices, each thread fetches its share of the next. cuda/gemm.h says what operands are.

#include <utility>

#include "cuda/gemm.h"

namespace tsr::TSR_BACKEND {

/// A block's tile of 64 · groups squared: a thread has `groups` rows by `groups` columns of 4 x 4 blocks, 64
/// apart.
template <int groups>
struct SgemmTile {
  static constexpr int kThreads = 256, kGroups = groups, kTile = 64 * groups;
  static constexpr int kDepth = 16 / groups;  ///< of a slice
  /// [depth][place], in packs of four places; the odd pack at the end keeps transposed stores out of one
  /// bank.
  using Slice = Pack<float>[kDepth][kTile / kPack + 1];
};

/// What a thread fetches of an operand's slices: four elements that follow each other along the depth or
/// along the places, whichever way memory runs. By one load where they are a chunk.
template <class Tile, bool along_depth, class Operand>
class SliceFetcher {
 public:
  __device__ SliceFetcher(const Operand& operand, std::int64_t batch, std::int64_t first_place, int places)
      : elements_(operand.of(batch)), first_place_(first_place), places_(places), chunks_(operand.chunks) {}
  /// From a depth on, of so many depths: zeros beyond the edges.
  __device__ void fetch(std::int64_t first_depth, int depths) {
    if (chunks_ && place() + (along_depth ? 1 : kPack) <= places_ &&
        depth() + (along_depth ? kPack : 1) <= depths) {
      const float* from = elements_.line(first_place_ + place())(first_depth + depth());
      share_ = from != nullptr ? *reinterpret_cast<const Pack<float>*>(from) : Pack<float>{};
      return;
    }
    UNROLL
    for (int e = 0; e < kPack; ++e) {
      const int own_place = place() + (along_depth ? 0 : e), own_depth = depth() + (along_depth ? e : 0);
      const float* from = own_place < places_ && own_depth < depths
                              ? elements_.line(first_place_ + own_place)(first_depth + own_depth)
                              : nullptr;
      share_.value[e] = from != nullptr ? *from : 0;
    }
  }
  __device__ void store(typename Tile::Slice& slice) const {
    if constexpr (along_depth) {
      UNROLL
      for (int e = 0; e < kPack; ++e)
        slice[depth() + e][place() / kPack].value[place() % kPack] = share_.value[e];
    } else {
      slice[depth()][place() / kPack] = share_;
    }
  }

 private:
  static constexpr int kNeighbours = (along_depth ? Tile::kDepth : Tile::kTile) / kPack;
  static_assert(kNeighbours * (along_depth ? Tile::kTile : Tile::kDepth) == Tile::kThreads);

  static __device__ int place() {
    const int thread = static_cast<int>(threadIdx.x);
    return along_depth ? thread / kNeighbours : thread % kNeighbours * kPack;
  }
  static __device__ int depth() {
    const int thread = static_cast<int>(threadIdx.x);
    return along_depth ? thread % kNeighbours * kPack : thread / kNeighbours;
  }

  decltype(std::declval<const Operand&>().of(0)) elements_;
  std::int64_t first_place_;
  int places_;
  bool chunks_;
  Pack<float> share_;
};

/// A thread's sums, by packs of its rows and columns.
template <class Tile>
struct SgemmSums {
  float of[Tile::kGroups][kPack][Tile::kGroups][kPack] = {};

  /// Adds the product of two slices.
  __device__ void add(const typename Tile::Slice& a, const typename Tile::Slice& b) {
    const int own_row = static_cast<int>(threadIdx.x) / 16, own_col = static_cast<int>(threadIdx.x) % 16;
    for (int depth = 0; depth < Tile::kDepth; ++depth) {
      Pack<float> rows[Tile::kGroups];
      UNROLL
      for (int i = 0; i < Tile::kGroups; ++i) rows[i] = a[depth][own_row + 16 * i];
      UNROLL
      for (int j = 0; j < Tile::kGroups; ++j) {
        const Pack<float> cols = b[depth][own_col + 16 * j];
        UNROLL
        for (int i = 0; i < Tile::kGroups; ++i) {
          UNROLL
          for (int p = 0; p < kPack; ++p) {
            UNROLL
            for (int q = 0; q < kPack; ++q) of[i][p][j][q] += rows[i].value[p] * cols.value[q];
          }
        }
      }
    }
  }
};

template <class Tile, bool depth_a, bool depth_b, class A, class B, class C>
__global__ void __launch_bounds__(Tile::kThreads, 2) sgemm_kernel(GemmShape shape, A a, B b, C c) {
  SHARED(typename Tile::Slice, slices_a, [2]);
  SHARED(typename Tile::Slice, slices_b, [2]);
  const GemmBlock<Tile::kTile, Tile::kTile> block(shape);
  const auto within = [](std::int64_t left, int most) { return left < most ? static_cast<int>(left) : most; };
  SliceFetcher<Tile, depth_a, A> fetcher_a(a, block.batch, block.row(),
                                           within(shape.m - block.row(), Tile::kTile));
  SliceFetcher<Tile, depth_b, B> fetcher_b(b, block.batch, block.col(),
                                           within(shape.n - block.col(), Tile::kTile));
  const std::int64_t begin = block.begin(shape), end = block.end(shape);
  const auto fetch = [&](int step) {
    const std::int64_t depth = begin + std::int64_t{step} * Tile::kDepth;
    const int depths = within(end - depth, Tile::kDepth);
    fetcher_a.fetch(depth, depths);
    fetcher_b.fetch(depth, depths);
  };
  const auto steps = static_cast<int>((end - begin + Tile::kDepth - 1) / Tile::kDepth);
  SgemmSums<Tile> sums;
  fetch(0);
  for (int step = 0; step < steps; ++step) {
    fetcher_a.store(slices_a[step % 2]);
    fetcher_b.store(slices_b[step % 2]);
    __syncthreads();  // all of both slices are here; and all have done with those that are stored next
    fetch(step + 1);
    sums.add(slices_a[step % 2], slices_b[step % 2]);
  }
  UNROLL
  for (int i = 0; i < Tile::kGroups * kPack; ++i) {
    const std::int64_t row = block.row() + i / kPack * 64 + threadIdx.x / 16 * kPack + i % kPack;
    if (row >= shape.m) break;  // no thread holds on to what a later row needs
    UNROLL
    for (int j = 0; j < Tile::kGroups * kPack; ++j) {
      const std::int64_t col = block.col() + j / kPack * 64 + threadIdx.x % 16 * kPack + j % kPack;
      if (col >= shape.n) continue;
      const float sum = sums.of[i / kPack][i % kPack][j / kPack][j % kPack];
      *c.at(block.batch, block.split, row, col) = c.finish(block.batch, row, col, sum);
    }
  }
}

/// Launches it with this tile; nothing for an empty C.
template <class Tile, class A, class B, class C>
void launch_sgemm(const GemmShape& shape, const A& a, const B& b, const C& c) {
  const std::int64_t blocks = shape.blocks(Tile::kTile, Tile::kTile);
  if (blocks == 0) return;
  const LaunchShape where{.grid = {static_cast<unsigned>(blocks)}, .block = {Tile::kThreads}};
  with_direction(a, [&](auto depth_a) {
    with_direction(b, [&](auto depth_b) {
      launch<sgemm_kernel<Tile, depth_a.value, depth_b.value, A, B, C>>(where, current_stream(), shape, a, b,
                                                                        c);
    });
  });
}

/// Launches it with the larger tile where that makes blocks enough for a GPU. Either gives the same bits.
template <class A, class B, class C>
void launch_sgemm(const GemmShape& shape, const A& a, const B& b, const C& c) {
  using Large = SgemmTile<2>;
  if (shape.m > 64 && shape.n > 64 && shape.blocks(Large::kTile, Large::kTile) >= kEnoughGemmBlocks) {
    launch_sgemm<Large>(shape, a, b, c);
  } else {
    launch_sgemm<SgemmTile<1>>(shape, a, b, c);
  }
}

}  // namespace tsr::TSR_BACKEND
