#pragma once
// What attention's kernels share: where a head's rows lie, and what becomes of the product of a query and a
// key.

#include <cmath>
#include <limits>

#include "cuda/mixed.h"
#include "tensor/kernels.h"
#include "tensor/online_softmax.h"
#include "tensor/random.h"

namespace tsr::TSR_BACKEND {

/// The rows of the heads of a view [batch, heads, rows, columns].
template <class T>
struct HeadRows {
  T* data;
  std::int64_t heads, batch_stride, head_stride, row_stride;

  explicit HeadRows(const View& x)
      : data(x.as<std::remove_const_t<T>>()),
        heads(x.size[1]),
        batch_stride(x.stride[0]),
        head_stride(x.stride[1]),
        row_stride(x.stride[2]) {}
  /// The first row of head `index` of all.
  __device__ T* head(std::int64_t index) const {
    return data + index / heads * batch_stride + index % heads * head_stride;
  }
};

/// The sizes of a problem, and the rules by which products become scores.
template <class T>
struct AttentionRules {
  std::int64_t heads;      ///< of a sample
  std::int64_t all_heads;  ///< of the batch
  std::int64_t n, m, d;
  float scale;
  bool causal;
  const T* bias;  ///< or null
  std::int64_t bias_stride[4];
  const bool* key_mask;  ///< or null
  std::int64_t mask_stride[2];
  double dropped_below;  ///< words below this drop their weight; 0 without dropout
  float kept;            ///< what the others are multiplied by
  std::uint64_t seed, draw;

  AttentionRules(const View& q, const View& k, const View& bias_view, const View& mask,
                 const AttentionParams& params)
      : heads(q.size[1]),
        all_heads(q.size[0] * q.size[1]),
        n(q.size[2]),
        m(k.size[2]),
        d(q.size[3]),
        scale(static_cast<float>(params.scale)),
        causal(params.causal),
        bias(static_cast<const T*>(bias_view.data)),
        bias_stride{bias_view.stride[0], bias_view.stride[1], bias_view.stride[2], bias_view.stride[3]},
        key_mask(static_cast<const bool*>(mask.data)),
        mask_stride{mask.stride[0], mask.stride[1]},
        dropped_below(params.dropout * 0x1p32),
        kept(params.dropout < 1 ? static_cast<float>(1 / (1 - params.dropout)) : 0.0f),
        seed(params.seed),
        draw(params.draw) {}

  /// One past the last key that any query before `end` sees.
  __device__ std::int64_t keys_before(std::int64_t end) const {
    if (!causal) return m;
    const std::int64_t last = end + m - n;
    return last < 0 ? 0 : last < m ? last : m;
  }
  /// The first query that sees key j.
  __device__ std::int64_t first_query(std::int64_t j) const {
    const std::int64_t first = causal ? j - (m - n) : 0;
    return first > 0 ? first : 0;
  }
  /// The score of query i and key j of a head; -inf where the query doesn't see the key.
  __device__ float score(std::int64_t head, std::int64_t i, std::int64_t j, float product) const {
    constexpr float kHidden = -std::numeric_limits<float>::infinity();
    if (i >= n || j >= m || (causal && j > i + m - n)) return kHidden;
    if (key_mask && !key_mask[head / heads * mask_stride[0] + j * mask_stride[1]]) return kHidden;
    const float score = product * scale;
    if (!bias) return score;
    return score + widen(bias[head / heads * bias_stride[0] + head % heads * bias_stride[1] +
                              i * bias_stride[2] + j * bias_stride[3]]);
  }
  /// What dropout multiplies the weight of query i and key j by.
  __device__ float keep(std::int64_t head, std::int64_t i, std::int64_t j) const {
    if (dropped_below == 0) return 1;
    const auto word = static_cast<std::uint64_t>((head * n + i) * m + j);
    const auto words = philox_words(word / 4, seed, draw);
    const std::uint32_t low = word & 1 ? words[1] : words[0], high = word & 1 ? words[3] : words[2];
    return (word & 2 ? high : low) >= dropped_below ? kept
                                                    : 0.0f;  // an index would put the words into memory
  }
};

template <class T>
struct AttentionOperands {
  AttentionRules<T> rules;
  HeadRows<const T> q, k, v;
};

/// What the backward knows of each query: the gradient of its y, what the forward left, and Σ grad·y.
template <class T>
struct AttentionQueries {
  HeadRows<const T> grad;
  MixedIn<T> top, log_sum;
  const float* delta;
};

/// The rows of a batch's heads that a block has: `tile` of them, from `first` on.
struct HeadTile {
  std::int64_t head, first;
  __device__ HeadTile(std::int64_t block, std::int64_t rows, int tile)
      : head(block / ((rows + tile - 1) / tile)), first(block % ((rows + tile - 1) / tile) * tile) {}
  static unsigned blocks(std::int64_t heads, std::int64_t rows, int tile) {
    return static_cast<unsigned>(heads * ((rows + tile - 1) / tile));
  }
};

}  // namespace tsr::TSR_BACKEND
