// Fused attention on the CUDA cores: a block takes 64 queries of a head past all keys, 64 at a time, and
// never stores a matrix of weights. (In low precision, where heads allow it, that is for
// cuda/mma_attention.h.) 256 threads; a thread has 4 x 4 of the 64 x 64 scores in registers, its
// rows and columns 16 apart, so that the 16 threads of half a warp share four rows.
//
// The backward makes the weights again, in two kernels: one whose blocks own queries, one whose blocks own
// keys. That is one recomputation more than atomics would take, and the same bits every time. (Dao,
// "FlashAttention-2", 2023.)

#include "cuda/mma_attention_backward.h"

namespace tsr::TSR_BACKEND {
namespace {

constexpr int kTile = 64, kDepth = 16, kThreads = 256, kEach = 4;
constexpr int kMostColumns = 8;  ///< a thread has every 16th of a row's columns: head sizes up to 128

/// The shared memory of a block.
struct Tiles {
  float (&a)[kDepth][kTile + 4], (&b)[kDepth][kTile + 4];
  float (&weights)[kTile][kTile + 1];
  float (&x)[kDepth][kMostColumns * 16];
};
#define ATTENTION_TILES(name)                           \
  SHARED(float, name##_a, [kDepth][kTile + 4]);         \
  SHARED(float, name##_b, [kDepth][kTile + 4]);         \
  SHARED(float, name##_w, [kTile][kTile + 1]);          \
  SHARED(float, name##_x, [kDepth][kMostColumns * 16]); \
  const Tiles name { name##_a, name##_b, name##_w, name##_x }

/// Rows [first, end) of one head.
template <class T>
struct RowsOf {
  const T* data;
  std::int64_t stride, end;
  __device__ RowsOf(const HeadRows<const T>& x, std::int64_t head, std::int64_t end)
      : data(x.head(head)), stride(x.row_stride), end(end) {}
  __device__ float at(std::int64_t row, std::int64_t column) const {
    return row < end ? widen(data[row * stride + column]) : 0.0f;
  }
};

/// A thread's place among the 16 x 16 of a block.
struct TilePlace {
  int row = static_cast<int>(threadIdx.x) / 16, column = static_cast<int>(threadIdx.x) % 16;
};

/// sum = the products of rows first_a … of a with rows first_b … of b.
template <class T>
__device__ void multiply_rows(const Tiles& tiles, const RowsOf<T>& a, std::int64_t first_a,
                              const RowsOf<T>& b, std::int64_t first_b, std::int64_t d,
                              float (&sum)[kEach][kEach]) {
  const TilePlace own;
  for (auto& row : sum)
    for (float& value : row) value = 0;
  for (std::int64_t k = 0; k < d; k += kDepth) {
    for (int i = static_cast<int>(threadIdx.x); i < kTile * kDepth; i += kThreads) {
      const int depth = i % kDepth, row = i / kDepth;
      const bool inside = k + depth < d;
      tiles.a[depth][row] = inside ? a.at(first_a + row, k + depth) : 0.0f;
      tiles.b[depth][row] = inside ? b.at(first_b + row, k + depth) : 0.0f;
    }
    __syncthreads();
    for (int depth = 0; depth < kDepth; ++depth) {
      UNROLL
      for (int i = 0; i < kEach; ++i) {
        UNROLL
        for (int j = 0; j < kEach; ++j)
          sum[i][j] += tiles.a[depth][own.row + 16 * i] * tiles.b[depth][own.column + 16 * j];
      }
    }
    __syncthreads();  // before the next tiles overwrite these
  }
}

/// Puts a block's weights where add_weighted finds them, which waits for all of them.
__device__ inline void store_weights(const Tiles& tiles, const float (&weights)[kEach][kEach]) {
  const TilePlace own;
  UNROLL
  for (int i = 0; i < kEach; ++i) {
    UNROLL
    for (int j = 0; j < kEach; ++j) tiles.weights[own.row + 16 * i][own.column + 16 * j] = weights[i][j];
  }
}

/// sum += weights · (rows first … of x), or with `transposed` weightsᵀ.
template <bool transposed, int columns, class T>
__device__ void add_weighted(const Tiles& tiles, const RowsOf<T>& x, std::int64_t first, std::int64_t d,
                             float (&sum)[kEach][columns]) {
  const TilePlace own;
  for (int k = 0; k < kTile; k += kDepth) {
    for (int i = static_cast<int>(threadIdx.x); i < kDepth * columns * 16; i += kThreads) {
      const int row = i / (columns * 16), column = i % (columns * 16);
      tiles.x[row][column] = column < d ? x.at(first + k + row, column) : 0.0f;
    }
    __syncthreads();  // the rows of x are here, and at first the weights
    for (int row = 0; row < kDepth; ++row) {
      UNROLL
      for (int i = 0; i < kEach; ++i) {
        const int place = own.row + 16 * i;
        const float weight = transposed ? tiles.weights[k + row][place] : tiles.weights[place][k + row];
        UNROLL
        for (int j = 0; j < columns; ++j) sum[i][j] += weight * tiles.x[row][own.column + 16 * j];
      }
    }
    __syncthreads();  // before the next rows of x, or the next weights
  }
}

/// Over the 16 threads that share a row of scores.
template <class Combine>
__device__ float row_reduce(float x, Combine combine) {
  for (int distance = 8; distance > 0; distance /= 2) x = combine(x, __shfl_xor_sync(kAllLanes, x, distance));
  return x;
}

template <int columns, class T>
__global__ void __launch_bounds__(kThreads, 1)
    attention_kernel(AttentionOperands<T> x, HeadRows<T> y, MixedOut<T> top, MixedOut<T> log_sum) {
  ATTENTION_TILES(tiles);
  const AttentionRules<T>& rules = x.rules;
  const HeadTile tile(blockIdx.x, rules.n, kTile);
  const RowsOf<T> q(x.q, tile.head, rules.n), k(x.k, tile.head, rules.m), v(x.v, tile.head, rules.m);
  const TilePlace own;
  OnlineSoftmax<float> softmax[kEach];  // sums of the thread's own columns
  float sum[kEach][columns] = {};
  const std::int64_t end = rules.keys_before(tile.first + kTile);
  for (std::int64_t key = 0; key < end; key += kTile) {
    float weights[kEach][kEach];
    multiply_rows(tiles, q, tile.first, k, key, rules.d, weights);
    UNROLL
    for (int i = 0; i < kEach; ++i) {
      const std::int64_t query = tile.first + own.row + 16 * i;
      float largest = -std::numeric_limits<float>::infinity();
      UNROLL
      for (int j = 0; j < kEach; ++j) {
        weights[i][j] = rules.score(tile.head, query, key + own.column + 16 * j, weights[i][j]);
        largest = Max{}(largest, weights[i][j]);
      }
      const float factor = softmax[i].raise(row_reduce(largest, Max{}));
      UNROLL
      for (int j = 0; j < columns; ++j) sum[i][j] *= factor;
      UNROLL
      for (int j = 0; j < kEach; ++j) {
        const float weight = expf(weights[i][j] - softmax[i].shift());
        softmax[i].sum += weight;
        weights[i][j] = weight * rules.keep(tile.head, query, key + own.column + 16 * j);
      }
    }
    store_weights(tiles, weights);
    add_weighted<false>(tiles, v, key, rules.d, sum);
  }
  UNROLL
  for (int i = 0; i < kEach; ++i) {
    const std::int64_t query = tile.first + own.row + 16 * i;
    const float total = row_reduce(softmax[i].sum, Sum{});
    if (query >= rules.n) continue;
    T* row = y.head(tile.head) + query * y.row_stride;
    UNROLL
    for (int j = 0; j < columns; ++j)
      if (own.column + 16 * j < rules.d)
        row[own.column + 16 * j] = narrow<T>(total == 0 ? 0.0f : sum[i][j] / total);
    if (own.column == 0) {
      top.set(tile.head * rules.n + query, softmax[i].top);
      log_sum.set(tile.head * rules.n + query, total == 0 ? 0.0f : logf(total));
    }
  }
}

/// delta = Σ grad·y of each row: a warp a row.
template <class T>
__global__ void attention_delta_kernel(std::int64_t rows, std::int64_t n, std::int64_t d,
                                       HeadRows<const T> grad, HeadRows<const T> y, float* delta) {
  const std::int64_t row = (blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x) / 32;
  if (row >= rows) return;
  const T* g = grad.head(row / n) + row % n * grad.row_stride;
  const T* out = y.head(row / n) + row % n * y.row_stride;
  float sum = 0;
  for (std::int64_t i = threadIdx.x % 32; i < d; i += 32) sum += widen(g[i]) * widen(out[i]);
  sum = warp_reduce(sum, Sum{});
  if (threadIdx.x % 32 == 0) delta[row] = sum;
}

/// A block's weights, kept·w, and the gradients of its scores, w·(kept·grad·v - delta).
template <class T>
struct WeightGradients {
  float kept[kEach][kEach], grad[kEach][kEach];

  __device__ WeightGradients(const Tiles& tiles, const AttentionOperands<T>& x,
                             const AttentionQueries<T>& rows, std::int64_t head, std::int64_t first_query,
                             std::int64_t first_key) {
    const AttentionRules<T>& rules = x.rules;
    const RowsOf<T> q(x.q, head, rules.n), k(x.k, head, rules.m), v(x.v, head, rules.m),
        g(rows.grad, head, rules.n);
    multiply_rows(tiles, q, first_query, k, first_key, rules.d, kept);
    multiply_rows(tiles, g, first_query, v, first_key, rules.d, grad);
    const TilePlace own;
    UNROLL
    for (int i = 0; i < kEach; ++i) {
      const std::int64_t query = first_query + own.row + 16 * i, row = head * rules.n + query;
      const bool inside = query < rules.n;
      const float top = inside ? rows.top[row] : 0.0f, log_sum = inside ? rows.log_sum[row] : 0.0f,
                  delta = inside ? rows.delta[row] : 0.0f;
      const bool blind = top == -std::numeric_limits<float>::infinity();
      UNROLL
      for (int j = 0; j < kEach; ++j) {
        const std::int64_t key = first_key + own.column + 16 * j;
        const float score = rules.score(head, query, key, kept[i][j]);
        const float weight = blind ? 0.0f : expf(score - top - log_sum), keep = rules.keep(head, query, key);
        kept[i][j] = weight * keep;
        grad[i][j] = weight * (grad[i][j] * keep - delta);
      }
    }
  }
};

template <int columns, class T>
__device__ void store_rows(const HeadRows<T>& to, std::int64_t head, std::int64_t first, std::int64_t end,
                           std::int64_t d, float scale, const float (&sum)[kEach][columns]) {
  const TilePlace own;
  UNROLL
  for (int i = 0; i < kEach; ++i) {
    const std::int64_t row = first + own.row + 16 * i;
    UNROLL
    for (int j = 0; j < columns; ++j)
      if (row < end && own.column + 16 * j < d)
        to.head(head)[row * to.row_stride + own.column + 16 * j] = narrow<T>(sum[i][j] * scale);
  }
}

/// grad_q, and grad_bias where it is wanted.
template <int columns, class T>
__global__ void __launch_bounds__(kThreads, 1)
    attention_bwd_queries_kernel(AttentionOperands<T> x, AttentionQueries<T> rows, HeadRows<T> grad_q,
                                 T* grad_bias) {
  ATTENTION_TILES(tiles);
  const AttentionRules<T>& rules = x.rules;
  const HeadTile tile(blockIdx.x, rules.n, kTile);
  const RowsOf<T> k(x.k, tile.head, rules.m);
  const TilePlace own;
  float sum[kEach][columns] = {};
  const std::int64_t end = grad_bias ? rules.m : rules.keys_before(tile.first + kTile);
  for (std::int64_t key = 0; key < end; key += kTile) {
    const WeightGradients<T> weights(tiles, x, rows, tile.head, tile.first, key);
    store_weights(tiles, weights.grad);
    add_weighted<false>(tiles, k, key, rules.d, sum);
    if (!grad_bias) continue;
    UNROLL
    for (int i = 0; i < kEach; ++i) {
      UNROLL
      for (int j = 0; j < kEach; ++j) {
        const std::int64_t query = tile.first + own.row + 16 * i, at = key + own.column + 16 * j;
        if (query < rules.n && at < rules.m)
          grad_bias[(tile.head * rules.n + query) * rules.m + at] = narrow<T>(weights.grad[i][j]);
      }
    }
  }
  store_rows(grad_q, tile.head, tile.first, rules.n, rules.d, rules.scale, sum);
}

/// grad_k and grad_v.
template <int columns, class T>
__global__ void __launch_bounds__(kThreads, 1)
    attention_bwd_keys_kernel(AttentionOperands<T> x, AttentionQueries<T> rows, HeadRows<T> grad_k,
                              HeadRows<T> grad_v) {
  ATTENTION_TILES(tiles);
  const AttentionRules<T>& rules = x.rules;
  const HeadTile tile(blockIdx.x, rules.m, kTile);
  const RowsOf<T> q(x.q, tile.head, rules.n), g(rows.grad, tile.head, rules.n);
  float sum_k[kEach][columns] = {};
  float sum_v[kEach][columns] = {};
  for (std::int64_t query = rules.first_query(tile.first) / kTile * kTile; query < rules.n; query += kTile) {
    const WeightGradients<T> weights(tiles, x, rows, tile.head, query, tile.first);
    store_weights(tiles, weights.kept);
    add_weighted<true>(tiles, g, query, rules.d, sum_v);
    store_weights(tiles, weights.grad);
    add_weighted<true>(tiles, q, query, rules.d, sum_k);
  }
  store_rows(grad_k, tile.head, tile.first, rules.m, rules.d, rules.scale, sum_k);
  store_rows(grad_v, tile.head, tile.first, rules.m, rules.d, 1.0f, sum_v);
}

/// Calls f(columns) with the columns that a thread needs for heads of size d.
template <class F>
void with_columns(std::int64_t d, const F& f) {
  TSR_CHECK(d <= kMostColumns * 16, "attention: head size ", d, " is more than the ", kMostColumns * 16,
            " that this kernel takes");
  if (d <= 64) {
    f(std::integral_constant<int, 4>{});
  } else {
    f(std::integral_constant<int, kMostColumns>{});
  }
}

template <class T>
void attention_forward(Context&, View q, View k, View v, View bias, View key_mask, View y, View top,
                       View log_sum, const AttentionParams& params) {
  const AttentionOperands<T> x{AttentionRules<T>(q, k, bias, key_mask, params), HeadRows<const T>(q),
                               HeadRows<const T>(k), HeadRows<const T>(v)};
  if constexpr (sizeof(T) == 2) {
    if (fits_mma_attention(q, k, v, y))
      return launch_mma_attention(x, HeadRows<T>(y), MixedOut<T>(top), MixedOut<T>(log_sum));
  }
  const unsigned blocks = HeadTile::blocks(x.rules.all_heads, x.rules.n, kTile);
  if (blocks == 0) return;
  with_columns(x.rules.d, [&](auto columns) {
    launch<attention_kernel<columns(), T>>({.grid = {blocks}, .block = {kThreads}}, current_stream(), x,
                                           HeadRows<T>(y), MixedOut<T>(top), MixedOut<T>(log_sum));
  });
}

template <class T>
void attention_backward(Context& context, View grad, View q, View k, View v, View bias, View key_mask, View y,
                        View top, View log_sum, View grad_q, View grad_k, View grad_v, View grad_bias,
                        const AttentionParams& params) {
  const AttentionOperands<T> x{AttentionRules<T>(q, k, bias, key_mask, params), HeadRows<const T>(q),
                               HeadRows<const T>(k), HeadRows<const T>(v)};
  const AttentionRules<T>& rules = x.rules;
  const std::int64_t count = rules.all_heads * rules.n;
  auto* delta = context.workspace_of<float>(static_cast<std::size_t>(count));
  if (count > 0)
    launch<attention_delta_kernel<T>>({.grid = {static_cast<unsigned>((count + 7) / 8)}, .block = {256}},
                                      current_stream(), count, rules.n, rules.d, HeadRows<const T>(grad),
                                      HeadRows<const T>(y), delta);
  const AttentionQueries<T> rows{HeadRows<const T>(grad), MixedIn<T>(top), MixedIn<T>(log_sum), delta};
  if constexpr (sizeof(T) == 2) {
    if (fits_mma_attention(grad, q, k, v, grad_q, grad_k, grad_v))
      return launch_mma_attention_backward(x, rows, HeadRows<T>(grad_q), HeadRows<T>(grad_k),
                                           HeadRows<T>(grad_v), static_cast<T*>(grad_bias.data));
  }
  const unsigned queries = HeadTile::blocks(rules.all_heads, rules.n, kTile),
                 keys = HeadTile::blocks(rules.all_heads, rules.m, kTile);
  with_columns(rules.d, [&](auto columns) {
    if (queries > 0)
      launch<attention_bwd_queries_kernel<columns(), T>>({.grid = {queries}, .block = {kThreads}},
                                                         current_stream(), x, rows, HeadRows<T>(grad_q),
                                                         static_cast<T*>(grad_bias.data));
    if (keys > 0)
      launch<attention_bwd_keys_kernel<columns(), T>>({.grid = {keys}, .block = {kThreads}}, current_stream(),
                                                      x, rows, HeadRows<T>(grad_k), HeadRows<T>(grad_v));
  });
}

TSR_DEVICE_KERNEL(attention_fwd, attention_forward, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(attention_bwd, attention_backward, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
