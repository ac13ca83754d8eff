#pragma once
// Fused attention on the tensor cores, for bfloat16 and float16 (Dao, "FlashAttention-2", 2023): what its
// kernels share. A block owns some rows of a head, 16 or 32 for each of its four warps, and walks over the
// others' rows by tiles: while the warps multiply one tile, asynchronous copies fill the next.
//
// A product of rows with rows leaves scores in fragments of C; two of these, rounded to T, are a fragment of
// A for the product that follows. So scores and weights stay in registers.

#include "cuda/attention.h"
#include "cuda/ptx.h"
#include "cuda/reduce.h"
#include "cuda/swizzled_tile.h"

namespace tsr::TSR_BACKEND {

inline constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147181f;
inline constexpr std::int64_t kMostMmaColumns = 128;  ///< of a head

/// Whether all of these rows (views [batch, heads, rows, d]) consist of aligned chunks of 16 bytes, and few
/// enough. Others are for the kernels on the CUDA cores.
template <class... Views>
bool fits_mma_attention(const Views&... views) {
  const auto fits = [](const View& x) {
    bool aligned = reinterpret_cast<std::uintptr_t>(x.data) % 16 == 0;
    for (int axis = 0; axis < 3; ++axis)
      aligned = aligned && (x.size[axis] <= 1 || x.stride[axis] * size_of(x.dtype) % 16 == 0);
    return aligned && x.size[3] * size_of(x.dtype) % 16 == 0 && x.size[3] <= kMostMmaColumns;
  };
  return (fits(views) && ...);
}

/// Calls f(columns) with the smallest size of heads that kernels are made for and d fits in.
template <class F>
void with_mma_columns(std::int64_t d, const F& f) {
  if (d <= 32) return f(std::integral_constant<int, 32>{});
  if (d <= 64) return f(std::integral_constant<int, 64>{});
  if (d <= 96) return f(std::integral_constant<int, 96>{});
  return f(std::integral_constant<int, kMostMmaColumns>{});
}

/// `own` rows of a block, and `other` rows a step, of heads of up to `columns`; so many of a head's matrices
/// on either side.
template <class T, int columns, int own, int other, int own_matrices, int other_matrices>
struct AttentionTiles {
  static constexpr int kWarps = 4, kThreads = 32 * kWarps;
  static constexpr int kColumns = columns, kOwn = own, kOther = other;
  static constexpr int kSteps = columns / kMmaDepth<T>;           ///< of a product over a head's columns
  static constexpr int kM = own / (16 * kWarps), kN = other / 8;  ///< a warp's fragments of scores
  using Own = SwizzledTile<T, own, columns>;
  using Other = SwizzledTile<T, other, columns>;
  using Scores = FragmentC[kM][kN];
  using Sums = FragmentC[kM][columns / 8];  ///< a warp's rows of a result
  static constexpr std::size_t kBytes = own_matrices * Own::kBytes + 2 * other_matrices * Other::kBytes;

  static __device__ Own own_tile(std::byte* shared, int which) { return {shared + which * Own::kBytes}; }
  /// Of a step; those of the next step are elsewhere.
  static __device__ Other other_tile(std::byte* shared, int which, int step) {
    return {shared + own_matrices * Own::kBytes + (step % 2 * other_matrices + which) * Other::kBytes};
  }
  /// The running thread's warp has rows from here on.
  static __device__ int first_row() { return static_cast<int>(threadIdx.x) / 32 * 16 * kM; }
  static __device__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  /// Where the lane's first element of scores is among the block's own and the other rows.
  static __device__ int lane_row() { return first_row() + FragmentC::row(lane(), 0); }
  static __device__ int lane_column() { return FragmentC::col(lane(), 0); }
};

/// Begins to fill a tile with rows `first` … before `end` of head `index`: zeros beyond, and beyond column d.
template <int threads, class T, int rows, int columns>
__device__ void fill_tile(const SwizzledTile<T, rows, columns>& tile, const HeadRows<const T>& matrix,
                          std::int64_t index, std::int64_t first, std::int64_t end, std::int64_t d) {
  using Tile = SwizzledTile<T, rows, columns>;
  // Eight threads that follow each other, which store at once, have chunks of one row, or of two neighbours.
  constexpr int kGroup = Tile::kChunks % 8 == 0 ? 8 : 4, kRowsATurn = threads / kGroup;
  static_assert(rows % kRowsATurn == 0 && kRowsATurn % 8 == 0);
  const int inside_rows = end - first < rows ? static_cast<int>(end - first) : rows;
  const int inside_chunks = static_cast<int>(d) / Tile::kEach;
  const int row = static_cast<int>(threadIdx.x) / kGroup, chunk = static_cast<int>(threadIdx.x) % kGroup;
  const T* const head = matrix.head(index);
  const T* from = head + (first + row) * matrix.row_stride + chunk * Tile::kEach;
  UNROLL
  for (int r = 0; r < rows; r += kRowsATurn, from += kRowsATurn * matrix.row_stride) {
    UNROLL
    for (int c = 0; c < Tile::kChunks; c += kGroup) {
      const bool inside = r + row < inside_rows && c + chunk < inside_chunks;
      cp_async<16>(tile.at(r + row, c + chunk), inside ? from + c * Tile::kEach : head, inside ? 16 : 0);
    }
  }
}

/// Begins to fill a step's tiles with the same rows of two matrices.
template <class Tiles, class T>
__device__ void fill_step(std::byte* shared, int step, const HeadRows<const T>& a, const HeadRows<const T>& b,
                          std::int64_t index, std::int64_t first, std::int64_t end, std::int64_t d) {
  fill_tile<Tiles::kThreads>(Tiles::other_tile(shared, 0, step), a, index, first, end, d);
  fill_tile<Tiles::kThreads>(Tiles::other_tile(shared, 1, step), b, index, first, end, d);
}

/// scores = the warp's own rows · the other rowsᵀ. (Fragments of the own rows are read again for every tile:
/// registers don't suffice for heads of 64 and more.)
template <class Tiles, class T>
__device__ void multiply_rows(typename Tiles::Scores& scores,
                              const SwizzledTile<T, Tiles::kOwn, Tiles::kColumns>& own,
                              const SwizzledTile<T, Tiles::kOther, Tiles::kColumns>& other) {
  const LaneSource from_own = FragmentA<T>::source(Tiles::lane());
  const LaneSource from = FragmentB<T>::source(Tiles::lane());
  UNROLL
  for (auto& row : scores) {
    UNROLL
    for (FragmentC& score : row) score = FragmentC{};
  }
  UNROLL
  for (int step = 0; step < Tiles::kSteps; ++step) {
    FragmentA<T> a[Tiles::kM];
    FragmentB<T> b[Tiles::kN];
    ldmatrix_x4(a, [&](int i) {
      return own.at(Tiles::first_row() + 16 * i + from_own.row, 2 * step + from_own.half);
    });
    ldmatrix_x4(b, [&](int i) { return other.at(16 * i + from.row, 2 * step + from.half); });
    mma(scores, a, b);
  }
}

/// sums += weights · the other rows.
template <class Tiles, class T>
__device__ void add_weighted_rows(typename Tiles::Sums& sums, const typename Tiles::Scores& weights,
                                  const SwizzledTile<T, Tiles::kOther, Tiles::kColumns>& other) {
  const LaneSource from = FragmentB<T>::source(Tiles::lane(), true);
  UNROLL
  for (int step = 0; step < Tiles::kOther / 16; ++step) {
    FragmentA<T> a[Tiles::kM];
    UNROLL
    for (int i = 0; i < Tiles::kM; ++i) {
      const FragmentC &left = weights[i][2 * step], &right = weights[i][2 * step + 1];
      a[i] = {pack<T>(left.value[0], left.value[1]), pack<T>(left.value[2], left.value[3]),
              pack<T>(right.value[0], right.value[1]), pack<T>(right.value[2], right.value[3])};
    }
    FragmentB<T> b[Tiles::kColumns / 8];
    ldmatrix_x4<true>(b, [&](int i) { return other.at(16 * step + from.row, 2 * i + from.half); });
    mma(sums, a, b);
  }
}

/// Calls f(i, j, v, down, right) for each of the lane's elements of scores: fragment [i][j], value v, and
/// where that is from the lane's first. (The compiler knows these two; sums with the lane's place would be
/// the same in every step, and kept in registers.)
template <class Tiles, class F>
__device__ void each_score(const F& f) {
  UNROLL
  for (int i = 0; i < Tiles::kM; ++i) {
    UNROLL
    for (int j = 0; j < Tiles::kN; ++j) {
      UNROLL
      for (int v = 0; v < 4; ++v) f(i, j, v, 16 * i + v / 2 * 8, 8 * j + v % 2);
    }
  }
}

/// AttentionRules where queries from one and keys from another on meet, in 32 bits: query i and key j there.
template <class T>
struct ScoreTile {
  float scale;
  int queries, keys;  ///< inside
  int diagonal;       ///< query i sees the keys up to i + diagonal
  const T* bias;
  std::int64_t bias_row, bias_column;
  const bool* mask;
  std::int64_t mask_step;

  __device__ ScoreTile(const AttentionRules<T>& rules, std::int64_t head, std::int64_t query,
                       std::int64_t key)
      : scale(rules.scale),
        queries(clamp(rules.n - query)),
        keys(clamp(rules.m - key)),
        diagonal(rules.causal ? clamp(query + rules.m - rules.n - key) : kFar),
        bias(rules.bias == nullptr ? nullptr
                                   : rules.bias + head / rules.heads * rules.bias_stride[0] +
                                         head % rules.heads * rules.bias_stride[1] +
                                         query * rules.bias_stride[2] + key * rules.bias_stride[3]),
        bias_row(rules.bias_stride[2]),
        bias_column(rules.bias_stride[3]),
        mask(rules.key_mask == nullptr
                 ? nullptr
                 : rules.key_mask + head / rules.heads * rules.mask_stride[0] + key * rules.mask_stride[1]),
        mask_step(rules.mask_stride[1]) {}

  /// Whether so many keys are all seen by all queries.
  __device__ bool all_seen(int tile) const { return mask == nullptr && keys >= tile && diagonal >= tile - 1; }
  /// Whether anybody sees key j.
  __device__ bool shows(int j) const { return j < keys && (mask == nullptr || mask[j * mask_step]); }

 private:
  static constexpr int kFar = 1 << 20;
  static __device__ int clamp(std::int64_t x) {
    return x < -kFar ? -kFar : x < kFar ? static_cast<int>(x) : kFar;
  }
};

/// scores += bias. (Pointers that advance, for the same reason.)
template <class Tiles, bool transposed, class T>
__device__ void add_bias(typename Tiles::Scores& scores, const ScoreTile<T>& tile) {
  const std::int64_t own_step = transposed ? tile.bias_column : tile.bias_row,
                     other_step = transposed ? tile.bias_row : tile.bias_column;
  const int rows = (transposed ? tile.keys : tile.queries) - Tiles::lane_row(),
            columns = (transposed ? tile.queries : tile.keys) - Tiles::lane_column();
  const T* row = tile.bias + Tiles::lane_row() * own_step + Tiles::lane_column() * other_step;
  UNROLL
  for (int i = 0; i < 2 * Tiles::kM; ++i, row += 8 * own_step) {
    __syncwarp();  // or all of the loads would be under way at once, each with a register
    const T* at = row;
    UNROLL
    for (int j = 0; j < Tiles::kN; ++j, at += 8 * other_step) {
      UNROLL
      for (int v = 0; v < 2; ++v)
        if (8 * i < rows && 8 * j + v < columns)
          scores[i / 2][j].value[i % 2 * 2 + v] += widen(at[v * other_step]);
    }
  }
}

/// Scores that the query doesn't see become -inf.
template <class Tiles, bool transposed, class T>
__device__ void hide_unseen(typename Tiles::Scores& scores, const ScoreTile<T>& tile) {
  unsigned shown = 0;  // a bit for each of the lane's keys; not unrolled, again for registers
  for (int e = 0; e < 2 * (transposed ? Tiles::kM : Tiles::kN); ++e) {
    const int key = transposed ? Tiles::lane_row() + 8 * e : Tiles::lane_column() + e / 2 * 8 + e % 2;
    shown |= static_cast<unsigned>(tile.shows(key)) << e;
  }
  const int past = Tiles::lane_column() - Tiles::lane_row();  // of the lane's first element
  const int diagonal = tile.diagonal - (transposed ? -past : past);
  each_score<Tiles>([&](int i, int j, int v, int down, int right) {
    const int bit = transposed ? 2 * i + v / 2 : 2 * j + v % 2;
    const bool seen = (shown >> bit & 1) != 0 && (transposed ? down - right : right - down) <= diagonal;
    if (!seen) scores[i][j].value[v] = -std::numeric_limits<float>::infinity();
  });
}

/// Products become scores, of own queries and other keys, or with `transposed` of own keys and other queries.
template <class Tiles, bool transposed, class T>
__device__ void score_products(typename Tiles::Scores& products, const ScoreTile<T>& tile) {
  each_score<Tiles>([&](int i, int j, int v, int, int) { products[i][j].value[v] *= tile.scale; });
  if (tile.bias != nullptr) add_bias<Tiles, transposed>(products, tile);
  if (!tile.all_seen(transposed ? Tiles::kOwn : Tiles::kOther))
    hide_unseen<Tiles, transposed>(products, tile);
}

/// exp(score - top) with the shift top·log₂e: one multiplication and addition, rounded once. Whoever makes
/// weights from the same top uses the same shift, so that its rounding cancels.
__device__ inline float weight_of(float score, float shift) {
  return exp2_flushed(fmaf(score, kLog2E, -shift));
}

/// Which of a lane's weights dropout keeps: bit e is for element e in the order of each_score.
template <class Tiles, bool transposed, class T>
__device__ std::uint64_t kept_weights(const AttentionRules<T>& rules, std::int64_t head, std::int64_t query,
                                      std::int64_t key) {
  constexpr int kCount = Tiles::kM * Tiles::kN * 4;
  static_assert(kCount <= 64);
  if (rules.dropped_below == 0) return ~std::uint64_t{0};
  std::uint64_t bits = 0;
  for (int e = 0; e < kCount; ++e) {
    const int row = Tiles::lane_row() + e / (4 * Tiles::kN) * 16 + e % 4 / 2 * 8;
    const int column = Tiles::lane_column() + e / 4 % Tiles::kN * 8 + e % 2;
    const bool keeps =
        rules.keep(head, query + (transposed ? column : row), key + (transposed ? row : column)) != 0;
    bits |= std::uint64_t{keeps} << e;
  }
  return bits;
}
template <class Tiles>
__device__ bool keeps(std::uint64_t bits, int i, int j, int v) {
  return (bits >> ((i * Tiles::kN + j) * 4 + v) & 1) != 0;
}

/// Over the four lanes that share a row of a fragment.
template <class Combine>
__device__ float fragment_row_reduce(float x, Combine combine) {
  for (int distance = 2; distance > 0; distance /= 2) x = combine(x, __shfl_xor_sync(kAllLanes, x, distance));
  return x;
}

/// Stores a warp's rows of a result, of d columns, factor(i, half) times: i and half pick the row.
template <class Tiles, class T, class Factor>
__device__ void store_own_rows(const HeadRows<T>& to, const HeadTile& tile, std::int64_t end, std::int64_t d,
                               const typename Tiles::Sums& sums, const Factor& factor) {
  T* row = to.head(tile.head) + (tile.first + Tiles::lane_row()) * to.row_stride + Tiles::lane_column();
  const std::int64_t rows = end - tile.first - Tiles::lane_row(), columns = d - Tiles::lane_column();
  UNROLL
  for (int i = 0; i < 2 * Tiles::kM; ++i, row += 8 * to.row_stride) {
    if (8 * i >= rows) return;
    const float scale = factor(i / 2, i % 2);
    UNROLL
    for (int j = 0; j < Tiles::kColumns / 8; ++j) {
      const float* const value = sums[i / 2][j].value + i % 2 * 2;
      if (8 * j < columns)
        *reinterpret_cast<Pair<T>*>(row + 8 * j) = {narrow<T>(value[0] * scale), narrow<T>(value[1] * scale)};
    }
  }
}

// ---- forward ----

/// A query's softmax over what it has read: its sum of the lane's own columns alone, relative to top.
struct QuerySoftmax {
  float top = -std::numeric_limits<float>::infinity(), sum = 0;

  /// The state in base 2 that top stands for; as few registers as can be hold it between tiles.
  __device__ OnlineSoftmax<float, Base2> state() const { return {top * kLog2E, sum}; }
};

/// Heads of up to `columns`. A fragment of keys or values serves both of a warp's fragments of queries, where
/// registers suffice for two.
template <class T, int columns>
using ForwardTiles = AttentionTiles<T, columns, columns <= 64 ? 128 : 64, 64, 1, 2>;

/// Scores become weights relative to the largest score so far; what was summed up follows.
template <class Tiles>
__device__ void weigh_scores(typename Tiles::Scores& scores, QuerySoftmax (&softmax)[Tiles::kM][2],
                             typename Tiles::Sums& sums) {
  UNROLL
  for (int i = 0; i < Tiles::kM; ++i) {
    UNROLL
    for (int half = 0; half < 2; ++half) {
      QuerySoftmax& own = softmax[i][half];
      float largest = own.top;
      UNROLL
      for (const FragmentC& score : scores[i])
        largest = Max{}(largest, Max{}(score.value[2 * half], score.value[2 * half + 1]));
      OnlineSoftmax<float, Base2> state = own.state();
      own.top = fragment_row_reduce(largest, Max{});
      const float factor = state.raise(own.top * kLog2E);
      UNROLL
      for (FragmentC& sum : sums[i]) {
        sum.value[2 * half] *= factor;
        sum.value[2 * half + 1] *= factor;
      }
      UNROLL
      for (FragmentC& score : scores[i]) {
        UNROLL
        for (int v = 2 * half; v < 2 * half + 2; ++v) {
          score.value[v] = weight_of(score.value[v], state.shift());
          state.sum += score.value[v];
        }
      }
      own.sum = state.sum;
    }
  }
}

template <class Tiles, class T>
__global__ void __launch_bounds__(Tiles::kThreads, 2)
    mma_attention_kernel(AttentionOperands<T> x, HeadRows<T> y, MixedOut<T> top, MixedOut<T> log_sum) {
  DYN_SHARED(shared);
  const AttentionRules<T>& rules = x.rules;
  const HeadTile tile(blockIdx.x, rules.n, Tiles::kOwn);
  const auto steps =
      static_cast<int>((rules.keys_before(tile.first + Tiles::kOwn) + Tiles::kOther - 1) / Tiles::kOther);
  const auto fill = [&](int step) {
    if (step < steps)
      fill_step<Tiles>(shared, step, x.k, x.v, tile.head, std::int64_t{step} * Tiles::kOther, rules.m,
                       rules.d);
    cp_async_commit();
  };
  const typename Tiles::Own queries = Tiles::own_tile(shared, 0);
  if (steps > 0) fill_tile<Tiles::kThreads>(queries, x.q, tile.head, tile.first, rules.n, rules.d);
  fill(0);
  QuerySoftmax softmax[Tiles::kM][2];
  typename Tiles::Sums sums;
  for (int step = 0; step < steps; ++step) {
    cp_async_wait<0>();
    __syncthreads();  // everybody's copies are here; and all have done with the tiles that are filled next
    fill(step + 1);
    const std::int64_t key = std::int64_t{step} * Tiles::kOther;
    typename Tiles::Scores scores;
    multiply_rows<Tiles>(scores, queries, Tiles::other_tile(shared, 0, step));
    score_products<Tiles, false>(scores, ScoreTile<T>(rules, tile.head, tile.first, key));
    weigh_scores<Tiles>(scores, softmax, sums);
    if (rules.dropped_below != 0) {
      const std::uint64_t bits = kept_weights<Tiles, false>(rules, tile.head, tile.first, key);
      each_score<Tiles>([&](int i, int j, int v, int, int) {
        if (!keeps<Tiles>(bits, i, j, v)) scores[i][j].value[v] = 0;
      });
    }
    add_weighted_rows<Tiles>(sums, scores, Tiles::other_tile(shared, 1, step));
  }
  UNROLL
  for (auto& rows : softmax) {
    UNROLL
    for (QuerySoftmax& row : rows) row.sum = fragment_row_reduce(row.sum, Sum{});
  }
  store_own_rows<Tiles>(y, tile, rules.n, rules.d, sums, [&](int i, int half) {
    const float total = softmax[i][half].sum;
    return total == 0 ? 0.0f : rules.kept / total;
  });
  if (Tiles::lane() % 4 != 0) return;
  UNROLL
  for (int i = 0; i < 2 * Tiles::kM; ++i) {
    const std::int64_t query = tile.first + Tiles::lane_row() + 8 * i;
    if (query >= rules.n) return;
    const QuerySoftmax& row = softmax[i / 2][i % 2];
    top.set(tile.head * rules.n + query, row.top);
    log_sum.set(tile.head * rules.n + query, row.sum == 0 ? 0.0f : log2f(row.sum) * kLn2);
  }
}

template <class T>
void launch_mma_attention(const AttentionOperands<T>& x, const HeadRows<T>& y, const MixedOut<T>& top,
                          const MixedOut<T>& log_sum) {
  with_mma_columns(x.rules.d, [&](auto columns) {
    using Tiles = ForwardTiles<T, columns()>;
    const unsigned blocks = HeadTile::blocks(x.rules.all_heads, x.rules.n, Tiles::kOwn);
    if (blocks > 0)
      launch<mma_attention_kernel<Tiles, T>>(
          {.grid = {blocks}, .block = {Tiles::kThreads}, .shared_bytes = Tiles::kBytes}, current_stream(), x,
          y, top, log_sum);
  });
}

}  // namespace tsr::TSR_BACKEND
