#pragma once
// The matrix product of the tensor cores: bfloat16 and float16, and float32 read as tf32, accumulated in
// float32. A block makes a tile of C. Slices of A and B, 64 bytes deep, go through a ring of stages in shared
// memory: while the warps multiply one, asynchronous copies fill those that follow (cuda/gemm.h says what
// operands are, cuda/ptx.h what the instructions do).

#include <algorithm>
#include <utility>

#include "cuda/gemm.h"
#include "cuda/ptx.h"
#include "cuda/swizzled_tile.h"

namespace tsr::TSR_BACKEND {

/// The part of C that a block makes, and the part of that which each warp of it makes.
template <int m, int n, int warps_m, int warps_n>
struct MmaTile {
  static constexpr int kM = m, kN = n, kThreads = 32 * warps_m * warps_n;
  static constexpr int kWarpM = m / warps_m, kWarpN = n / warps_n;

  /// Where the running thread's warp has its part.
  static __device__ int row() { return static_cast<int>(threadIdx.x) / 32 / warps_n * kWarpM; }
  static __device__ int col() { return static_cast<int>(threadIdx.x) / 32 % warps_n * kWarpN; }
};
// 64 x 64 a warp: as much as registers hold, and so the fewest reads of shared memory a product.
using LargeMmaTile = MmaTile<128, 128, 2, 2>;
using SmallMmaTile = MmaTile<64, 64, 2, 2>;

inline constexpr int kMmaStages = 4;
template <class T>
inline constexpr int kStageDepth = 64 / sizeof(T);

/// One stage of an operand in shared memory: [place][depth], or [depth][place] with `trans`.
template <class T, int places, bool trans>
struct StagedOperand : SwizzledTile<T, trans ? kStageDepth<T> : places, trans ? places : kStageDepth<T>> {
  /// What a lane points ldmatrix at for 16 places from `place`, of step `step` of the stage's depth.
  __device__ const T* source(const LaneSource& from, int place, int step) const {
    return trans ? this->at(step * kMmaDepth<T> + from.row, place / (16 / sizeof(T)) + from.half)
                 : this->at(place + from.row, step * 2 + from.half);
  }
};

/// Fills stages of an operand with a block's places of it, zeros beyond the edges.
template <int threads, class T, int tile, bool trans, class Operand>
class StageFiller {
 public:
  using Stage = StagedOperand<T, tile, trans>;

  __device__ StageFiller(const Operand& operand, std::int64_t batch, std::int64_t first_place, int places)
      : operand_(operand), elements_(operand.of(batch)), first_place_(first_place), places_(places) {
    UNROLL
    for (int j = 0; j < kLines; ++j)
      lines_[j] = elements_.line(first_place + (trans ? chunk() * kEach : first_row() + j * kRowStep));
  }
  /// Begins to fill a stage from a depth on, of so many depths.
  __device__ void fill(const Stage& stage, std::int64_t first_depth, int depths) const {
    if (trans || (operand_.chunks && operand_.along_depth)) {
      copy_chunks(stage, first_depth, depths);
    } else {
      store_elements(stage, first_depth, depths);
    }
  }

 private:
  static constexpr int kEach = Stage::kEach, kRowStep = threads / Stage::kChunks,
                       kCopies = Stage::kRows / kRowStep, kLines = trans ? 1 : kCopies;
  static_assert(Stage::kRows % kRowStep == 0 && kRowStep % 8 == 0);  // the swizzle repeats itself

  static __device__ int first_row() { return static_cast<int>(threadIdx.x) / Stage::kChunks; }
  static __device__ int chunk() { return static_cast<int>(threadIdx.x) % Stage::kChunks; }

  /// A thread copies one chunk of every kRowStep'th row.
  __device__ void copy_chunks(const Stage& stage, std::int64_t first_depth, int depths) const {
    const int along = chunk() * kEach, left = (trans ? places_ : depths) - along,
              valid = left < 0       ? 0
                      : left < kEach ? left
                                     : kEach;
    T* to = stage.at(first_row(), chunk());
    UNROLL
    for (int j = 0; j < kCopies; ++j, to += kRowStep * Stage::kChunks * kEach) {
      const int row = first_row() + j * kRowStep;
      const bool inside = valid > 0 && row < (trans ? depths : places_);
      const T* const from = inside ? lines_[trans ? 0 : j](first_depth + (trans ? row : along)) : nullptr;
      cp_async<16>(to, from != nullptr ? from : operand_.data,
                   from != nullptr ? valid * static_cast<int>(sizeof(T)) : 0);
    }
  }
  /// Element by element: of a stage that is not transposed, whatever lies next to what.
  __device__ void store_elements(const Stage& stage, std::int64_t first_depth, int depths) const {
    for (int i = static_cast<int>(threadIdx.x); i < Stage::kRows * Stage::kChunks; i += threads) {
      const int row = operand_.along_depth ? i / Stage::kChunks : i % Stage::kRows;
      const int chunk = operand_.along_depth ? i % Stage::kChunks : i / Stage::kRows;
      T* const to = stage.at(row, chunk);
      for (int e = 0; e < kEach; ++e) {
        const int depth = chunk * kEach + e;
        const bool inside = row < places_ && depth < depths;
        const T* const from = inside ? elements_.line(first_place_ + row)(first_depth + depth) : nullptr;
        to[e] = from != nullptr ? *from : T{};
      }
    }
  }

  const Operand& operand_;
  decltype(std::declval<const Operand&>().of(0)) elements_;
  std::int64_t first_place_;
  int places_;
  decltype(elements_.line(0)) lines_[kLines];
};

/// A warp's fragments of C.
template <class Tile>
using WarpSums = FragmentC[Tile::kWarpM / 16][Tile::kWarpN / 8];

template <int n>
__device__ void round_registers(std::uint32_t (&registers)[n]) {
  UNROLL
  for (std::uint32_t& bits : registers) bits = __float_as_uint(round_tf32(__uint_as_float(bits)));
}

/// Adds the product of two stages.
template <class Tile, class T, int tile_m, int tile_n, bool trans_a, bool trans_b>
__device__ void multiply_stages(const StagedOperand<T, tile_m, trans_a>& stage_a,
                                const StagedOperand<T, tile_n, trans_b>& stage_b, WarpSums<Tile>& sums) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const LaneSource from_a = FragmentA<T>::source(lane, trans_a);
  const LaneSource from_b = FragmentB<T>::source(lane, trans_b);
  UNROLL
  for (int step = 0; step < kStageDepth<T> / kMmaDepth<T>; ++step) {
    FragmentA<T> a[Tile::kWarpM / 16];
    FragmentB<T> b[Tile::kWarpN / 8];
    ldmatrix_x4<trans_a>(a, [&](int i) { return stage_a.source(from_a, Tile::row() + 16 * i, step); });
    ldmatrix_x4<trans_b>(b, [&](int i) { return stage_b.source(from_b, Tile::col() + 16 * i, step); });
    if constexpr (std::is_same_v<T, float>) {
      UNROLL
      for (FragmentA<T>& fragment : a) round_registers(fragment.reg);
      UNROLL
      for (FragmentB<T>& fragment : b) round_registers(fragment.reg);
    }
    mma(sums, a, b);
  }
}

template <class Tile, class C>
__device__ void store_sums(const GemmShape& shape, const GemmBlock<Tile::kM, Tile::kN>& block, const C& c,
                           const WarpSums<Tile>& sums) {
  using Out = typename C::Element;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const auto store = [&](std::int64_t row, std::int64_t col, float first, float second) {
    if (row >= shape.m || col >= shape.n) return;
    Out* const to = c.at(block.batch, block.split, row, col);
    const Out left = c.finish(block.batch, row, col, first);
    if (col + 1 == shape.n) {
      *to = left;
      return;
    }
    const Out right = c.finish(block.batch, row, col + 1, second);
    if (c.pairs) {
      *reinterpret_cast<Pair<Out>*>(to) = {left, right};
    } else {
      *to = left;
      *c.at(block.batch, block.split, row, col + 1) = right;
    }
  };
  UNROLL
  for (int i = 0; i < Tile::kWarpM / 16; ++i) {
    UNROLL
    for (int j = 0; j < Tile::kWarpN / 8; ++j) {
      const FragmentC& sum = sums[i][j];
      const std::int64_t row = block.row() + Tile::row() + 16 * i, col = block.col() + Tile::col() + 8 * j;
      store(row + FragmentC::row(lane, 0), col + FragmentC::col(lane, 0), sum.value[0], sum.value[1]);
      store(row + FragmentC::row(lane, 2), col + FragmentC::col(lane, 2), sum.value[2], sum.value[3]);
    }
  }
}

template <class Tile, bool trans_a, bool trans_b, class A, class B, class C>
__global__ void __launch_bounds__(Tile::kThreads, 2) mma_gemm_kernel(GemmShape shape, A a, B b, C c) {
  using T = typename A::Element;
  using StageA = StagedOperand<T, Tile::kM, trans_a>;
  using StageB = StagedOperand<T, Tile::kN, trans_b>;
  DYN_SHARED(stages);
  const GemmBlock<Tile::kM, Tile::kN> block(shape);
  const auto within = [](std::int64_t left, int most) { return left < most ? static_cast<int>(left) : most; };
  const StageFiller<Tile::kThreads, T, Tile::kM, trans_a, A> filler_a(
      a, block.batch, block.row(), within(shape.m - block.row(), Tile::kM));
  const StageFiller<Tile::kThreads, T, Tile::kN, trans_b, B> filler_b(
      b, block.batch, block.col(), within(shape.n - block.col(), Tile::kN));
  const std::int64_t begin = block.begin(shape), end = block.end(shape);
  const auto steps = static_cast<int>((end - begin + kStageDepth<T> - 1) / kStageDepth<T>);
  const auto stage_of = [&](int step) {
    return stages + step % kMmaStages * (StageA::kBytes + StageB::kBytes);
  };
  const auto fill = [&](int step) {
    if (step < steps) {
      std::byte* const bytes = stage_of(step);
      const std::int64_t depth = begin + std::int64_t{step} * kStageDepth<T>;
      const int depths = within(end - depth, kStageDepth<T>);
      filler_a.fill(StageA{bytes}, depth, depths);
      filler_b.fill(StageB{bytes + StageA::kBytes}, depth, depths);
    }
    cp_async_commit();  // an empty group beyond the end: the wait below always means the same
  };
  for (int step = 0; step + 1 < kMmaStages; ++step) fill(step);
  WarpSums<Tile> sums;
  for (int step = 0; step < steps; ++step) {
    cp_async_wait<kMmaStages - 2>();  // this step's group and those before
    __syncthreads();                  // everybody's; and all have done with the stage that is filled next
    fill(step + kMmaStages - 1);
    std::byte* const bytes = stage_of(step);
    multiply_stages<Tile>(StageA{bytes}, StageB{bytes + StageA::kBytes}, sums);
  }
  store_sums<Tile>(shape, block, c, sums);
}

/// Calls body with whether the operand is staged transposed: whole chunks along its places, of a type that
/// ldmatrix can turn around.
template <class Operand, class Body>
void with_order(const Operand& operand, const Body& body) {
  with_direction(operand, [&](auto along_depth) {
    constexpr bool kTurns = sizeof(typename Operand::Element) == 2 && !decltype(along_depth)::value;
    if (kTurns && operand.chunks) {
      body(std::bool_constant<kTurns>{});
    } else {
      body(std::false_type{});
    }
  });
}

/// Launches it with this tile; nothing for an empty C. A portion of the depth is a multiple of
/// kStageDepth<T>.
template <class Tile, class A, class B, class C>
void launch_mma_gemm(const GemmShape& shape, const A& a, const B& b, const C& c) {
  using T = typename A::Element;
  TSR_ASSERT(shape.splits == 1 || shape.portion % kStageDepth<T> == 0);
  const std::int64_t blocks = shape.blocks(Tile::kM, Tile::kN);
  if (blocks == 0) return;
  const LaunchShape where{.grid = {static_cast<unsigned>(blocks)},
                          .block = {Tile::kThreads},
                          .shared_bytes = std::size_t{kMmaStages} * 64 * (Tile::kM + Tile::kN)};
  with_order(a, [&](auto trans_a) {
    with_order(b, [&](auto trans_b) {
      launch<mma_gemm_kernel<Tile, trans_a.value, trans_b.value, A, B, C>>(where, current_stream(), shape, a,
                                                                           b, c);
    });
  });
}

/// Launches it with the larger tile where that makes blocks enough for a GPU. Either gives the same bits.
template <class A, class B, class C>
void launch_mma_gemm(const GemmShape& shape, const A& a, const B& b, const C& c) {
  if (shape.m > SmallMmaTile::kM && shape.n > SmallMmaTile::kN &&
      shape.blocks(LargeMmaTile::kM, LargeMmaTile::kN) >= kEnoughGemmBlocks) {
    launch_mma_gemm<LargeMmaTile>(shape, a, b, c);
  } else {
    launch_mma_gemm<SmallMmaTile>(shape, a, b, c);
  }
}

}  // namespace tsr::TSR_BACKEND
