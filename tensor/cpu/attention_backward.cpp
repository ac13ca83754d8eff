// Fused attention, backward: the weights are made again, block by block, from the scores and their
// log-sum-exp.
//
// Dao et al., "FlashAttention" (2022), section 3.1 and appendix B: with P the weights and grad y = G,
//   grad V = Pᵀ·G,  grad P = G·Vᵀ,  grad S = P ∘ (grad P - D) with D = Σ G ∘ y of each row,
//   grad Q = scale·grad S·K,  grad K = scale·grad Sᵀ·Q.
// A task owns some keys of a head and walks over all queries; the parts of grad Q that the tasks of one head
// leave are added in their order.
#include <vector>

#include "tensor/cpu/attention.h"
#include "tensor/cpu/attention_tiles.h"
#include "tensor/parallel.h"

namespace tsr::cpu {
namespace {

using std::int64_t;

template <class T>
struct BackwardPlan {
  const TileKernels<float>* tiles;  ///< a machine's, or null
  int64_t rows, keys;               ///< of a block
  Parts splits;                     ///< of the keys

  explicit BackwardPlan(const AttentionOperands& x)
      : tiles(attention_tiles<T>(x)),
        rows(tile_kernels<T>().rows_max * (kSide / tile_kernels<T>().rows_max)),
        keys(kSide),
        splits(x.m(), ceil_div(kWantedTasks, x.heads()), 2 * keys) {}

 private:
  static constexpr int64_t kSide = 512 / sizeof(T);
};

/// The gradients of one part of the keys of a head.
template <class T>
class BackwardTask {
 public:
  BackwardTask(const AttentionOperands& x, const AttentionGradients& g, const AttentionParams& params,
               const BackwardPlan<T>& plan, int64_t head)
      : x_(x),
        g_(g),
        params_(params),
        plan_(plan),
        head_(head),
        scores_(context_, x, params, plan.keys),
        keys_t_(context_, x.d(), plan.keys),
        values_t_(context_, x.d(), plan.keys),
        keys_(context_, plan.keys, x.d()),
        queries_(context_, plan.rows, x.d()),
        grads_(context_, plan.rows, x.d()),
        scaled_{room(plan.rows * x.d()), x.d()},
        weights_{room(plan.rows * padded(plan.keys)), padded(plan.keys)},
        slopes_{room(plan.rows * padded(plan.keys)), padded(plan.keys)},
        sum_k_{room(plan.keys * x.d()), x.d()},
        sum_v_{room(plan.keys * x.d()), x.d()} {}

  /// grad_k and grad_v of `keys`, and what they bring to grad_q [n, d], but for the scale. `delta` is D of
  /// the head.
  void run(Range keys, const T* delta, T* grad_q) {
    std::fill_n(grad_q, x_.n() * x_.d(), T(0));
    for_pieces(keys, plan_.keys, [&](Range block) {
      load(block);
      for_pieces({0, x_.n()}, plan_.rows, [&](Range queries) {
        if (scores_.visible(queries.end - 1) > 0) {
          add(block, queries, delta, {grad_q + queries.begin * x_.d(), x_.d()});
        } else {
          store_bias(block, queries, nullptr);
        }
      });
      store(block);
    });
  }

 private:
  T* room(int64_t count) { return context_.workspace_of<T>(static_cast<std::size_t>(count)); }

  void load(Range block) {
    const auto k = AttentionOperands::head<const T>(x_.k, head_).from(block.begin);
    const auto v = AttentionOperands::head<const T>(x_.v, head_).from(block.begin);
    scores_.choose_keys(head_, block);
    keys_t_.pack_transposed(k, x_.d(), block.size());
    values_t_.pack_transposed(v, x_.d(), block.size());
    keys_.pack(k, block.size(), x_.d());
    std::fill_n(sum_k_.data, block.size() * x_.d(), T(0));
    std::fill_n(sum_v_.data, block.size() * x_.d(), T(0));
  }

  void add(Range block, Range queries, const T* delta, const DenseRows<T>& grad_q) {
    const auto q = AttentionOperands::head<const T>(x_.q, head_).from(queries.begin);
    const auto grad = AttentionOperands::head<const T>(g_.grad, head_).from(queries.begin);
    scale_rows(q, queries.size(), x_.d(), static_cast<T>(params_.scale), scaled_.data);
    queries_.pack(q, queries.size(), x_.d());
    grads_.pack(grad, queries.size(), x_.d());

    using Left = LeftRows<T>;
    keys_t_.multiply(Left::of(scaled_, queries.size(), x_.d()), weights_, false);
    values_t_.multiply(Left::of(grad, queries.size(), x_.d()), slopes_, false);
    const T *top = g_.top.as<T>() + head_ * x_.n(), *log_sum = g_.log_sum.as<T>() + head_ * x_.n();
    for (int64_t i = 0; i < queries.size(); ++i) {
      const int64_t query = queries.begin + i;
      rows_.differentiate(scores_.row(query, weights_.row(i)), top[query], log_sum[query], slopes_.row(i),
                          delta[query]);
    }
    grads_.multiply(Left::transposed(weights_, block.size(), queries.size()), sum_v_, true);
    queries_.multiply(Left::transposed(slopes_, block.size(), queries.size()), sum_k_, true);
    keys_.multiply(Left::of(slopes_, queries.size(), block.size()), grad_q, true);
    store_bias(block, queries, &slopes_);
  }

  /// The part of grad_bias, when it is wanted; without slopes, zeros.
  void store_bias(Range block, Range queries, const DenseRows<T>* slopes) {
    if (!g_.grad_bias.data) return;
    for (int64_t i = 0; i < queries.size(); ++i) {
      T* to = g_.grad_bias.as<T>() + (head_ * x_.n() + queries.begin + i) * x_.m() + block.begin;
      if (slopes) {
        std::copy_n(slopes->row(i), block.size(), to);
      } else {
        std::fill_n(to, block.size(), T(0));
      }
    }
  }

  void store(Range block) {
    const auto grad_k = AttentionOperands::head<T>(g_.grad_k, head_).from(block.begin);
    const auto grad_v = AttentionOperands::head<T>(g_.grad_v, head_).from(block.begin);
    for (int64_t j = 0; j < block.size(); ++j) {
      rows_.scale(sum_k_.row(j), x_.d(), static_cast<T>(params_.scale), grad_k.row(j));
      std::copy_n(sum_v_.row(j), x_.d(), grad_v.row(j));
    }
  }

  const AttentionOperands& x_;
  const AttentionGradients& g_;
  const AttentionParams& params_;
  const BackwardPlan<T>& plan_;
  const AttentionRows<T>& rows_ = attention_rows<T>();
  const int64_t head_;
  Context context_{Device::cpu};
  Scores<T> scores_;
  Panels<T> keys_t_, values_t_, keys_, queries_, grads_;
  DenseRows<T> scaled_, weights_, slopes_, sum_k_, sum_v_;
};

template <class T>
class Backward {
 public:
  Backward(const AttentionOperands& x, const AttentionGradients& g, const AttentionParams& params)
      : x_(x), g_(g), params_(params), plan_(x) {}

  void run(Context& context) {
    const int64_t rows = x_.heads() * x_.n(), tasks = x_.heads() * plan_.splits.count();
    delta_ = context.workspace_of<T>(static_cast<std::size_t>(rows));
    if (!in_place())
      grad_q_ = context.workspace_of<T>(static_cast<std::size_t>(plan_.splits.count() * rows * x_.d()));
    for_rows(rows, [&](int64_t row) { find_delta(row); });
    parallel_for(tasks, plan_.tiles ? parts_together(tasks) : 1, [&](int64_t begin, int64_t end) {
      if (plan_.tiles) return differentiate_on_tiles(begin, end);
      for (int64_t task = begin; task < end; ++task)
        BackwardTask<T>(x_, g_, params_, plan_, head(task))
            .run(keys(task), delta_ + head(task) * x_.n(), grad_q(task));
    });
    if (!in_place()) for_rows(rows, [&](int64_t row) { store_grad_q(row); });
  }

 private:
  template <class F>
  static void for_rows(int64_t rows, F&& f) {
    parallel_for(rows, 256, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) f(row);
    });
  }

  /// Whether the tasks leave grad_q as it is to be: tiles make it of scaled keys.
  bool in_place() const { return plan_.tiles && plan_.splits.count() == 1; }
  int64_t head(int64_t task) const { return task / plan_.splits.count(); }
  Range keys(int64_t task) const { return plan_.splits.at(task % plan_.splits.count()); }
  T* grad_q(int64_t task) const {
    return grad_q_ + (task % plan_.splits.count() * x_.heads() + head(task)) * x_.n() * x_.d();
  }

  void differentiate_on_tiles(int64_t begin, int64_t end) {
    if constexpr (std::is_same_v<T, float>) {
      std::vector<TilePart> parts;
      for (int64_t task = begin; task < end; ++task) {
        const auto sums = in_place() ? AttentionOperands::head<float>(g_.grad_q, head(task))
                                     : DenseRows<float>{grad_q(task), x_.d()};
        parts.push_back({head(task), {0, x_.n()}, keys(task), sums});
      }
      cpu::differentiate_on_tiles(x_, g_, params_, *plan_.tiles, parts, delta_);
    }
  }

  T* row_of(const View& x, int64_t row) const {
    return AttentionOperands::head<T>(x, row / x_.n()).row(row % x_.n());
  }
  void find_delta(int64_t row) {
    delta_[row] = attention_rows<T>().dot(row_of(g_.grad, row), row_of(g_.y, row), x_.d());
  }
  void store_grad_q(int64_t row) {
    const auto& rows = attention_rows<T>();
    const int64_t d = x_.d(), split_size = x_.heads() * x_.n() * d;
    const T scale = plan_.tiles ? T(1) : static_cast<T>(params_.scale);
    T* to = row_of(g_.grad_q, row);
    rows.scale(grad_q_ + row * d, d, scale, to);
    for (int64_t split = 1; split < plan_.splits.count(); ++split)
      rows.add_scaled(grad_q_ + split * split_size + row * d, d, scale, to);
  }

  const AttentionOperands& x_;
  const AttentionGradients& g_;
  const AttentionParams& params_;
  const BackwardPlan<T> plan_;
  T* delta_ = nullptr;   ///< D [head, n]
  T* grad_q_ = nullptr;  ///< [split, head, n, d], before the scale unless made on tiles
};

template <class T>
void attention_backward(Context& context, View grad, View q, View k, View v, View bias, View key_mask, View y,
                        View top, View log_sum, View grad_q, View grad_k, View grad_v, View grad_bias,
                        const AttentionParams& params) {
  const AttentionOperands operands{q, k, v, bias, key_mask};
  const AttentionGradients gradients{grad, y, top, log_sum, grad_q, grad_k, grad_v, grad_bias};
  if (operands.heads() > 0) Backward<T>(operands, gradients, params).run(context);
}

TSR_CPU_KERNEL(attention_bwd, attention_backward, float, double);

}  // namespace
}  // namespace tsr::cpu
