// Fused attention, forward: blocks of scores are made, weighed and multiplied with the values while they are
// in the cache; the matrix of all scores never exists.
//
// Milakov and Gimelshein (2018) for the softmax of a row that arrives in pieces; Rabe and Staats,
// "Self-attention does not need O(n²) memory" (2021), and Dao et al., "FlashAttention" (2022), for the sums
// that go with it.
#include <vector>

#include "tensor/cpu/attention.h"
#include "tensor/cpu/attention_tiles.h"
#include "tensor/parallel.h"

namespace tsr::cpu {
namespace {

using std::int64_t;

/// How the pass is cut up.
template <class T>
struct ForwardPlan {
  const TileKernels<float>* tiles;  ///< a machine's, or null
  int64_t rows, keys;               ///< queries and keys of a block
  Parts queries, splits;            ///< of a head: a task has one part of both

  explicit ForwardPlan(const AttentionOperands& x)
      : tiles(attention_tiles<T>(x)),
        rows(tiles ? tiles->rows_max : tile_kernels<T>().rows_max * (64 / tile_kernels<T>().rows_max)),
        keys(std::clamp<int64_t>(((tiles ? 128 : 64) << 10) / static_cast<int64_t>(sizeof(T)) /
                                     std::max<int64_t>(1, x.d()) / kStrip * kStrip,
                                 64, tiles ? 512 : 256)),
        queries(x.n(), ceil_div(x.n(), 1024), rows),
        splits(x.m(), ceil_div(kWantedTasks, x.heads() * queries.count()), keys) {}
};

/// What the tasks of a split head leave behind: sums of values [split, head, n, d] and the states of their
/// rows.
template <class T>
struct Partial {
  T* sums = nullptr;
  OnlineSoftmax<T>* states = nullptr;
};

/// One part of the queries of a head beside one part of its keys.
template <class T>
class ForwardTask {
 public:
  ForwardTask(const AttentionOperands& x, const AttentionParams& params, const ForwardPlan<T>& plan,
              int64_t head, Range queries)
      : x_(x),
        plan_(plan),
        head_(head),
        queries_(queries),
        scores_(context_, x, params, plan.keys),
        keys_(context_, x.d(), plan.keys),
        values_(context_, plan.keys, x.d()),
        scaled_{context_.workspace_of<T>(static_cast<std::size_t>(queries.size() * x.d())), x.d()},
        products_{context_.workspace_of<T>(static_cast<std::size_t>(plan.rows * padded(plan.keys))),
                  padded(plan.keys)} {
    const auto q = AttentionOperands::head<const T>(x.q, head).from(queries.begin);
    scale_rows(q, queries.size(), x.d(), static_cast<T>(params.scale), scaled_.data);
  }

  /// Attends to `keys`: sums of weighted values [queries, d] and the states of the rows.
  void run(Range keys, T* sums, OnlineSoftmax<T>* states) {
    const DenseRows<T> y{sums, x_.d()};
    std::fill_n(sums, queries_.size() * x_.d(), T(0));
    std::fill_n(states, queries_.size(), OnlineSoftmax<T>());
    for_pieces(keys, plan_.keys, [&](Range block) {
      scores_.choose_keys(head_, block);
      if (scores_.visible(queries_.end - 1) == 0) return;
      keys_.pack_transposed(AttentionOperands::head<const T>(x_.k, head_).from(block.begin), x_.d(),
                            block.size());
      values_.pack(AttentionOperands::head<const T>(x_.v, head_).from(block.begin), block.size(), x_.d());
      for_pieces(queries_, plan_.rows, [&](Range queries) {
        if (scores_.visible(queries.end - 1) > 0)
          attend(queries, y.from(queries.begin - queries_.begin), states);
      });
    });
  }

 private:
  void attend(Range queries, const DenseRows<T>& y, OnlineSoftmax<T>* states) {
    const int64_t first = queries.begin - queries_.begin;
    keys_.multiply(LeftRows<T>::of(scaled_.from(first), queries.size(), x_.d()), products_, false);
    for (int64_t i = 0; i < queries.size(); ++i) {
      const T factor = rows_.weigh(scores_.row(queries.begin + i, products_.row(i)), states[first + i]);
      if (factor != 1) rows_.scale(y.row(i), x_.d(), factor, y.row(i));
    }
    values_.multiply(LeftRows<T>::of(products_, queries.size(), scores_.count()), y, true);
  }

  const AttentionOperands& x_;
  const ForwardPlan<T>& plan_;
  const AttentionRows<T>& rows_ = attention_rows<T>();
  const int64_t head_;
  const Range queries_;
  Context context_{Device::cpu};
  Scores<T> scores_;
  Panels<T> keys_, values_;
  DenseRows<T> scaled_;    ///< the queries times the scale
  DenseRows<T> products_;  ///< a block of scores
};

template <class T>
class Forward {
 public:
  Forward(const AttentionOperands& x, const AttentionResults& results, const AttentionParams& params)
      : x_(x), results_(results), params_(params), plan_(x) {}

  void run(Context& context) {
    const int64_t tasks = x_.heads() * plan_.queries.count() * plan_.splits.count();
    const int64_t rows = x_.heads() * x_.n();
    if (split())
      sums_ = context.workspace_of<T>(static_cast<std::size_t>(plan_.splits.count() * rows * x_.d()));
    states_ = context.workspace_of<OnlineSoftmax<T>>(static_cast<std::size_t>(plan_.splits.count() * rows));
    parallel_for(tasks, plan_.tiles ? parts_together(tasks) : 1, [&](int64_t begin, int64_t end) {
      if (plan_.tiles) return attend_on_tiles(begin, end);
      for (int64_t task = begin; task < end; ++task) attend(task);
    });
    if (!split()) return;
    parallel_for(rows, 64, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) merge(row);
    });
  }

 private:
  bool split() const { return plan_.splits.count() > 1; }
  int64_t head(int64_t task) const { return task / plan_.splits.count() / plan_.queries.count(); }
  Range queries(int64_t task) const {
    return plan_.queries.at(task / plan_.splits.count() % plan_.queries.count());
  }
  Range keys(int64_t task) const { return plan_.splits.at(task % plan_.splits.count()); }
  /// Of sums and states, the task's first row.
  int64_t row(int64_t task) const {
    return (task % plan_.splits.count() * x_.heads() + head(task)) * x_.n() + queries(task).begin;
  }

  void attend(int64_t task) {
    const int64_t head = this->head(task);
    const Range queries = this->queries(task);
    ForwardTask<T> forward(x_, params_, plan_, head, queries);
    OnlineSoftmax<T>* states = states_ + row(task);
    if (split()) return forward.run(keys(task), sums_ + row(task) * x_.d(), states);
    Context context(Device::cpu);
    T* sums = context.workspace_of<T>(static_cast<std::size_t>(queries.size() * x_.d()));
    forward.run(keys(task), sums, states);
    for (int64_t i = 0; i < queries.size(); ++i)
      results_.store(head, queries.begin + i, sums + i * x_.d(), states[i]);
  }

  void attend_on_tiles(int64_t begin, int64_t end) {
    if constexpr (std::is_same_v<T, float>) {
      std::vector<TilePart> parts;
      for (int64_t task = begin; task < end; ++task) {
        const auto y = AttentionOperands::head<float>(results_.y, head(task)).from(queries(task).begin);
        const auto sums = split() ? DenseRows<float>{sums_ + row(task) * x_.d(), x_.d()} : y;
        parts.push_back({head(task), queries(task), keys(task), sums, states_ + row(task)});
      }
      cpu::attend_on_tiles(x_, params_, *plan_.tiles, plan_.keys, parts, split() ? nullptr : &results_);
    }
  }

  /// The splits of a row become one, the first, in their order.
  void merge(int64_t row) {
    const int64_t rows = x_.heads() * x_.n();
    T* total = sums_ + row * x_.d();
    for (int64_t split = 1; split < plan_.splits.count(); ++split) {
      T factor;
      const T others = states_[row].merge(states_[split * rows + row], factor);
      attention_rows<T>().scale(total, x_.d(), factor, total);
      attention_rows<T>().add_scaled(sums_ + (split * rows + row) * x_.d(), x_.d(), others, total);
    }
    results_.store(row / x_.n(), row % x_.n(), total, states_[row]);
  }

  const AttentionOperands& x_;
  const AttentionResults& results_;
  const AttentionParams& params_;
  const ForwardPlan<T> plan_;
  T* sums_ = nullptr;                   ///< of split heads: [split, head, n, d]
  OnlineSoftmax<T>* states_ = nullptr;  ///< [split, head, n]
};

template <class T>
void attention_forward(Context& context, View q, View k, View v, View bias, View key_mask, View y, View top,
                       View log_sum, const AttentionParams& params) {
  const AttentionOperands operands{q, k, v, bias, key_mask};
  const AttentionResults results{y, top, log_sum};
  if (operands.heads() * operands.n() > 0) Forward<T>(operands, results, params).run(context);
}

TSR_CPU_KERNEL(attention_fwd, attention_forward, float, double);

}  // namespace
}  // namespace tsr::cpu
