#pragma once
// The backward of cuda/mma_attention.h. One kernel's blocks own queries and make grad_q, the other's own keys
// and make grad_k and grad_v: from scores that are transposed to begin with, so that its weights, too, go
// from product to product in registers. Each makes the weights again; nothing is added by atomics, and the
// bits are the same every time.

#include "cuda/mma_attention.h"

namespace tsr::TSR_BACKEND {

template <class T, int columns>
using BackwardTiles = AttentionTiles<T, columns, 64, columns <= 64 ? 64 : 32, 2, 2>;

/// What makes a query's scores weights, in units of base 2, and those gradients of scores.
struct QueryConstants {
  float shift, log_sum, delta;

  /// Of query `row` of all; weights are 0 where it is beyond its head's end, or saw no key.
  template <class T>
  static __device__ QueryConstants of(const AttentionQueries<T>& queries, std::int64_t row, bool inside) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const float top = inside ? queries.top[row] : -kInfinity;
    if (top == -kInfinity) return {kInfinity, 0, 0};
    return {top * kLog2E, queries.log_sum[row] * kLog2E, queries.delta[row]};
  }
};

/// From scores and the products of grad and v: weights, 0 where dropped, and gradients of the scores,
/// w·(kept·grad·v - delta). constants(i, j, v) are those of an element's query.
template <class Tiles, class Constants>
__device__ void weigh_gradients(typename Tiles::Scores& weights, typename Tiles::Scores& grads,
                                std::uint64_t kept_bits, float kept, const Constants& constants) {
  each_score<Tiles>([&](int i, int j, int v, int, int) {
    const QueryConstants query = constants(i, j, v);
    float &weight = weights[i][j].value[v], &grad = grads[i][j].value[v];
    weight = exp2_flushed(fmaf(weight, kLog2E, -query.shift) - query.log_sum);
    const bool keep = keeps<Tiles>(kept_bits, i, j, v);
    grad = weight * ((keep ? grad * kept : 0.0f) - query.delta);
    if (!keep) weight = 0;
  });
}

/// grads of the scores of own queries, into a head's [n, m].
template <class Tiles, class T>
__device__ void store_grad_bias(T* head, const AttentionRules<T>& rules, std::int64_t query, std::int64_t key,
                                const typename Tiles::Scores& grads) {
  const std::int64_t rows = rules.n - query - Tiles::lane_row(),
                     columns = rules.m - key - Tiles::lane_column();
  T* row = head + (query + Tiles::lane_row()) * rules.m + key + Tiles::lane_column();
  UNROLL
  for (int i = 0; i < 2 * Tiles::kM; ++i, row += 8 * rules.m) {
    UNROLL
    for (int j = 0; j < Tiles::kN; ++j) {
      UNROLL
      for (int v = 0; v < 2; ++v)
        if (8 * i < rows && 8 * j + v < columns)
          row[8 * j + v] = narrow<T>(grads[i / 2][j].value[i % 2 * 2 + v]);
    }
  }
}

/// grad_q, and grad_bias where it is wanted.
template <class Tiles, class T>
__global__ void __launch_bounds__(Tiles::kThreads, 2)
    mma_attention_bwd_queries_kernel(AttentionOperands<T> x, AttentionQueries<T> queries, HeadRows<T> grad_q,
                                     T* grad_bias) {
  DYN_SHARED(shared);
  const AttentionRules<T>& rules = x.rules;
  const HeadTile tile(blockIdx.x, rules.n, Tiles::kOwn);
  const std::int64_t end = grad_bias != nullptr ? rules.m : rules.keys_before(tile.first + Tiles::kOwn);
  const auto steps = static_cast<int>((end + Tiles::kOther - 1) / Tiles::kOther);
  const auto fill = [&](int step) {
    if (step < steps)
      fill_step<Tiles>(shared, step, x.k, x.v, tile.head, std::int64_t{step} * Tiles::kOther, rules.m,
                       rules.d);
    cp_async_commit();
  };
  const typename Tiles::Own q = Tiles::own_tile(shared, 0), grad = Tiles::own_tile(shared, 1);
  if (steps > 0) {
    fill_tile<Tiles::kThreads>(q, x.q, tile.head, tile.first, rules.n, rules.d);
    fill_tile<Tiles::kThreads>(grad, queries.grad, tile.head, tile.first, rules.n, rules.d);
  }
  fill(0);
  QueryConstants constants[2 * Tiles::kM];
  UNROLL
  for (int i = 0; i < 2 * Tiles::kM; ++i) {
    const std::int64_t query = tile.first + Tiles::lane_row() + 8 * i;
    constants[i] = QueryConstants::of(queries, tile.head * rules.n + query, query < rules.n);
  }
  typename Tiles::Sums sums;
  for (int step = 0; step < steps; ++step) {
    cp_async_wait<0>();
    __syncthreads();  // everybody's copies are here; and all have done with the tiles that are filled next
    fill(step + 1);
    const std::int64_t key = std::int64_t{step} * Tiles::kOther;
    const typename Tiles::Other k = Tiles::other_tile(shared, 0, step),
                                v = Tiles::other_tile(shared, 1, step);
    typename Tiles::Scores weights, grads;
    multiply_rows<Tiles>(weights, q, k);
    score_products<Tiles, false>(weights, ScoreTile<T>(rules, tile.head, tile.first, key));
    multiply_rows<Tiles>(grads, grad, v);
    weigh_gradients<Tiles>(weights, grads, kept_weights<Tiles, false>(rules, tile.head, tile.first, key),
                           rules.kept, [&](int i, int, int value) { return constants[2 * i + value / 2]; });
    add_weighted_rows<Tiles>(sums, grads, k);
    if (grad_bias != nullptr)
      store_grad_bias<Tiles>(grad_bias + tile.head * rules.n * rules.m, rules, tile.first, key, grads);
  }
  store_own_rows<Tiles>(grad_q, tile, rules.n, rules.d, sums, [&](int, int) { return rules.scale; });
}

/// grad_k and grad_v.
template <class Tiles, class T>
__global__ void __launch_bounds__(Tiles::kThreads, 2)
    mma_attention_bwd_keys_kernel(AttentionOperands<T> x, AttentionQueries<T> queries, HeadRows<T> grad_k,
                                  HeadRows<T> grad_v) {
  DYN_SHARED(shared);
  SHARED(QueryConstants, constants, [2][Tiles::kOther]);
  const AttentionRules<T>& rules = x.rules;
  const HeadTile tile(blockIdx.x, rules.m, Tiles::kOwn);
  const std::int64_t first = rules.first_query(tile.first) / Tiles::kOther * Tiles::kOther;
  const int steps =
      first < rules.n ? static_cast<int>((rules.n - first + Tiles::kOther - 1) / Tiles::kOther) : 0;
  const auto fill = [&](int step) {
    if (step < steps) {
      const std::int64_t query = first + std::int64_t{step} * Tiles::kOther;
      fill_step<Tiles>(shared, step, x.q, queries.grad, tile.head, query, rules.n, rules.d);
      if (const int i = static_cast<int>(threadIdx.x); i < Tiles::kOther) {
        // through a register: the checker doesn't see what a call returns straight into memory
        const auto mine = QueryConstants::of(queries, tile.head * rules.n + query + i, query + i < rules.n);
        constants[step % 2][i] = mine;
      }
    }
    cp_async_commit();
  };
  const typename Tiles::Own k = Tiles::own_tile(shared, 0), v = Tiles::own_tile(shared, 1);
  if (steps > 0) {
    fill_tile<Tiles::kThreads>(k, x.k, tile.head, tile.first, rules.m, rules.d);
    fill_tile<Tiles::kThreads>(v, x.v, tile.head, tile.first, rules.m, rules.d);
  }
  fill(0);
  typename Tiles::Sums sums_k, sums_v;
  for (int step = 0; step < steps; ++step) {
    cp_async_wait<0>();
    __syncthreads();  // everybody's copies are here; and all have done with the tiles that are filled next
    fill(step + 1);
    const std::int64_t query = first + std::int64_t{step} * Tiles::kOther;
    const typename Tiles::Other q = Tiles::other_tile(shared, 0, step),
                                g = Tiles::other_tile(shared, 1, step);
    typename Tiles::Scores weights, grads;
    multiply_rows<Tiles>(weights, k, q);
    score_products<Tiles, true>(weights, ScoreTile<T>(rules, tile.head, query, tile.first));
    multiply_rows<Tiles>(grads, v, g);
    weigh_gradients<Tiles>(
        weights, grads, kept_weights<Tiles, true>(rules, tile.head, query, tile.first), rules.kept,
        [&](int, int j, int value) { return constants[step % 2][Tiles::lane_column() + 8 * j + value % 2]; });
    add_weighted_rows<Tiles>(sums_v, weights, g);
    add_weighted_rows<Tiles>(sums_k, grads, q);
  }
  store_own_rows<Tiles>(grad_k, tile, rules.m, rules.d, sums_k, [&](int, int) { return rules.scale; });
  store_own_rows<Tiles>(grad_v, tile, rules.m, rules.d, sums_v, [&](int, int) { return rules.kept; });
}

template <class T>
void launch_mma_attention_backward(const AttentionOperands<T>& x, const AttentionQueries<T>& queries,
                                   const HeadRows<T>& grad_q, const HeadRows<T>& grad_k,
                                   const HeadRows<T>& grad_v, T* grad_bias) {
  with_mma_columns(x.rules.d, [&](auto columns) {
    using Tiles = BackwardTiles<T, columns()>;
    const auto shape = [&](std::int64_t rows) {
      return LaunchShape{.grid = {HeadTile::blocks(x.rules.all_heads, rows, Tiles::kOwn)},
                         .block = {Tiles::kThreads},
                         .shared_bytes = Tiles::kBytes};
    };
    if (x.rules.all_heads * x.rules.n > 0)
      launch<mma_attention_bwd_queries_kernel<Tiles, T>>(shape(x.rules.n), current_stream(), x, queries,
                                                         grad_q, grad_bias);
    if (x.rules.all_heads * x.rules.m > 0)
      launch<mma_attention_bwd_keys_kernel<Tiles, T>>(shape(x.rules.m), current_stream(), x, queries, grad_k,
                                                      grad_v);
  });
}

}  // namespace tsr::TSR_BACKEND
