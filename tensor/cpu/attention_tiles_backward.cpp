// A task of fused attention on tiles, backward. The keys go by blocks and the queries by pieces; while a
// piece's scores and the gradients of its weights become weights P and gradients of scores D, the tiles
// multiply what the last piece has left and what the next one needs.
//
// P and D are made in the layout of right operands, of gradients that are turned over: grad Vᵀ = Gᵀ·P and
// grad Kᵀ = Qᵀ·D. D is made in that of left ones, too: grad Q = D·K.
#include <array>
#include <limits>
#include <vector>

#include "tensor/cpu/attention_tiles.h"

namespace tsr::cpu {
namespace {

using std::int64_t;

/// Room for a block of keys and the gradients that it gathers.
struct KeyBlock {
  Units keys_t, values_t, keys;
  DenseRows<float> grad_k, grad_v;  ///< [d, keys]

  KeyBlock(Context& context, const TileKernels<float>& kernels, int64_t most, int64_t d)
      : keys_t(context, kernels, most, d),
        values_t(context, kernels, most, d),
        keys(context, kernels, d, most),
        grad_k{context.workspace_of<float>(static_cast<std::size_t>(d * most)), most},
        grad_v{context.workspace_of<float>(static_cast<std::size_t>(d * most)), most} {}
};

/// Room for a piece of the queries beside a block of keys.
struct Piece {
  DenseRows<float> scores, grads;  ///< [queries, keys]; grads of the weights
  Units weights, slopes;           ///< P and D, right operands
  Units slope_rows;                ///< D, a left operand

  Piece(Context& context, const TileKernels<float>& kernels, int64_t rows, int64_t keys)
      : scores{context.workspace_of<float>(static_cast<std::size_t>(rows * keys)), keys},
        grads{context.workspace_of<float>(static_cast<std::size_t>(rows * keys)), keys},
        weights(context, kernels, keys, rows),
        slopes(context, kernels, keys, rows),
        slope_rows(context, kernels, rows, keys) {}
};

/// What a head's rows of weights and slopes depend on.
struct HeadRows {
  const float *top, *log_sum, *delta;  ///< [n]
};

/// Differentiates a piece in steps, two rows of a strip at a time: one that gets them ready, then three for
/// each of their units. Longer steps would be more than a core looks ahead.
class Differentiator {
 public:
  Differentiator(Context& context, Scores<float>& scores, const HeadRows& head, int64_t block, bool drops)
      : scores_(scores),
        head_(head),
        block_(block),
        zeros_(context.workspace_of<float>(static_cast<std::size_t>(block))),
        kept_(drops ? context.workspace_of<float>(static_cast<std::size_t>(kStrip * block)) : nullptr) {
    std::fill_n(zeros_, block, 0.F);
  }

  void begin(const Piece& piece, Range queries) {
    piece_ = &piece, queries_ = queries;
    strip_ = 0, unit_ = -1, pair_ = 0, part_ = 0;
    units_ = ceil_div(scores_.count(), kStrip);
  }
  int64_t steps() const { return ceil_div(queries_.size(), kStrip) * (1 + kParts * units_) * kPairs; }
  static void step(void* self) { static_cast<Differentiator*>(self)->step(); }

 private:
  static constexpr int64_t kPairs = kStrip / 2;
  static constexpr int kParts = 3;

  void step() {
    if (unit_ < 0) {
      for (const int64_t i : {pair_, pair_ + kPairs}) row(i) = ready(strip_ * kStrip + i, i);
    } else {
      differentiate();
      if (++part_ < kParts) return;
      part_ = 0;
    }
    if (++pair_ < kPairs) return;
    pair_ = 0;
    if (++unit_ < units_) return;
    unit_ = -1, ++strip_;
  }

  void differentiate() {
    if (pair_ == 0 && part_ == 0) {
      to_.weights = piece_->weights.at(unit_, strip_);
      to_.slopes = piece_->slopes.at(unit_, strip_);
      to_.slope_rows = piece_->slope_rows.at(strip_, unit_);
    }
    const SlopeRow &low = row(pair_), &high = row(pair_ + kPairs);
    if (part_ == 1 && scores_.count() - unit_ * kStrip <= kPairs)
      return;  // of those 16 columns is none there
    if (part_ < 2) {
      on_units_.differentiate(low, high, unit_ * kStrip, pair_, part_, to_);
    } else {
      on_units_.form(low, high, unit_ * kStrip, pair_, to_);
    }
  }

  SlopeRow& row(int64_t i) { return of_strip_[static_cast<std::size_t>(i)]; }

  /// Row `index` of the piece and i of its strip. What isn't there, or sees nothing, has zeros.
  SlopeRow ready(int64_t index, int64_t i) {
    const int64_t query = queries_.begin + index, cols = units_ * kStrip;
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    if (query >= queries_.end) return {zeros_, zeros_, nullptr, 0, kInfinity, 0};
    float *scores = piece_->scores.row(index), *grads = piece_->grads.row(index);
    if (head_.top[query] == -kInfinity) {
      std::fill_n(grads, cols, 0.F);
      return {zeros_, grads, nullptr, 0, kInfinity, 0};
    }
    ScoreRow<float> row = scores_.row(query, scores);
    row.cols = cols;
    if (row.added || row.visible < cols) rows_.largest(row);
    std::fill(grads + scores_.count(), grads + cols, 0.F);
    float* kept = kept_ ? kept_ + i * block_ : nullptr;
    if (kept) std::copy_n(row.kept, cols, kept);
    return {scores, grads, kept, head_.top[query], head_.log_sum[query], head_.delta[query]};
  }

  Scores<float>& scores_;
  const HeadRows head_;
  const AttentionRows<float>& rows_ = attention_rows<float>();
  const AttentionUnits& on_units_ = attention_units();
  const int64_t block_;
  float *zeros_, *kept_;
  const Piece* piece_ = nullptr;
  Range queries_{0, 0};
  std::array<SlopeRow, kStrip> of_strip_{};
  SlopeUnits to_{};
  int64_t strip_ = 0, unit_ = -1, units_ = 0, pair_ = 0;
  int part_ = 0;
};

class TileBackward {
 public:
  TileBackward(const AttentionOperands& x, const AttentionGradients& g, const AttentionParams& params,
               const TileKernels<float>& kernels, int64_t head, const float* delta, float* grad_q)
      : x_(x),
        g_(g),
        kernels_(kernels),
        scale_(static_cast<float>(params.scale)),
        rows_of_piece_(2 * kStrip),
        head_(head),
        grad_q_{grad_q, x.d()},
        scores_(context_, x, params, head, kBlock),
        differentiator_(context_, scores_,
                        {g.top.as<float>() + head * x.n(), g.log_sum.as<float>() + head * x.n(), delta},
                        kBlock, params.dropout > 0),
        queries_(context_, kernels, x.n(), x.d()),
        queries_t_(context_, kernels, x.d(), x.n()),
        grads_(context_, kernels, x.n(), x.d()),
        grads_t_(context_, kernels, x.d(), x.n()),
        blocks_{{context_, kernels, kBlock, x.d()}, {context_, kernels, kBlock, x.d()}},
        pieces_{{context_, kernels, rows_of_piece_, kBlock}, {context_, kernels, rows_of_piece_, kBlock}},
        scratch_(context_.workspace_of<float>(static_cast<std::size_t>(kStrip * std::max(kBlock, x.d())))) {
    for_pieces({0, x.n()}, kStrip, [&](Range strip) { take(strip); });
  }

  void run(Range keys) {
    plan(keys);
    const auto count = static_cast<int64_t>(pairs_.size());
    if (count == 0) return;
    load(pairs_[0]);
    run(scores_of(0), nullptr);
    for (int64_t i = 0; i < count; ++i) differentiate(i);
    run(gradients_of(count - 1), nullptr);
    store(pairs_.back());
  }

 private:
  static constexpr int64_t kBlock = 8 * kStrip;

  /// A block of keys beside a piece of queries that see some of it.
  struct Pair {
    int64_t block;
    Range keys, queries;
    bool first, last;  ///< of the block
  };
  template <std::size_t kCount>
  using Products = std::array<UnitProduct, kCount>;

  /// Some queries and gradients, while they are in the first-level cache.
  void take(Range strip) {
    const int64_t d = x_.d(), rows = strip.size(), index = strip.begin / kStrip;
    const auto q = AttentionOperands::head<const float>(x_.q, head_).from(strip.begin);
    const auto grad = AttentionOperands::head<const float>(g_.grad, head_).from(strip.begin);
    scale_rows(q, rows, d, scale_, scratch_);
    queries_.take_rows({scratch_, d, 1}, rows, d, index, 0);
    queries_t_.take_rows({scratch_, 1, d}, d, rows, 0, index);
    grads_.take_rows({grad.data, grad.stride, 1}, rows, d, index, 0);
    grads_t_.take_rows({grad.data, 1, grad.stride}, d, rows, 0, index);
  }

  void plan(Range keys) {
    int64_t index = 0;
    for_pieces(keys, kBlock, [&](Range block) {
      scores_.choose_keys(block);
      const auto before = pairs_.size();
      for_pieces({0, x_.n()}, rows_of_piece_, [&](Range queries) {
        if (scores_.visible(queries.end - 1) == 0) {
          if (block.begin == keys.begin)
            std::fill_n(grad_q_.row(queries.begin), queries.size() * x_.d(), 0.F);
          return clear_bias(block, queries);
        }
        pairs_.push_back({index, block, queries, pairs_.size() == before, false});
      });
      if (pairs_.size() == before) return clear(block);
      pairs_.back().last = true;
      ++index;
    });
  }

  const Pair& pair(int64_t i) const { return pairs_[static_cast<std::size_t>(i)]; }
  const KeyBlock& block(const Pair& pair) const { return blocks_[pair.block % 2]; }
  KeyBlock& block(const Pair& pair) { return blocks_[pair.block % 2]; }
  const Piece& piece(int64_t i) const { return pieces_[i % 2]; }

  /// Pair i's weights and slopes, and beside them the products of its neighbours.
  void differentiate(int64_t i) {
    const bool before = i > 0, after = i + 1 < static_cast<int64_t>(pairs_.size());
    if (pair(i).first) scores_.choose_keys(pair(i).keys);
    differentiator_.begin(piece(i), pair(i).queries);
    const int64_t slots =
        (before ? slots_of(gradients_of(i - 1)) : 0) + (after ? slots_of(scores_of(i + 1)) : 0);
    Meanwhile meanwhile(Differentiator::step, &differentiator_, differentiator_.steps(), slots);
    if (before) {
      run(gradients_of(i - 1), &meanwhile);
      if (pair(i - 1).last) store(pair(i - 1));
    }
    if (after) {
      if (pair(i + 1).first) load(pair(i + 1));
      run(scores_of(i + 1), &meanwhile);
    }
    meanwhile.finish();
    store_bias(i);
  }

  template <std::size_t kCount>
  void run(const Products<kCount>& products, Meanwhile* meanwhile) const {
    for (const UnitProduct& product : products) product.run(kernels_, meanwhile);
  }
  template <std::size_t kCount>
  int64_t slots_of(const Products<kCount>& products) const {
    int64_t slots = 0;
    for (const UnitProduct& product : products) slots += product.slots(kernels_);
    return slots;
  }

  /// The scores of pair i and the gradients of its weights.
  Products<2> scores_of(int64_t i) const {
    const Pair& p = pair(i);
    const KeyBlock& keys = block(p);
    const auto product = [&](const Units& a, const Units& b, const DenseRows<float>& c) {
      return UnitProduct{.a = a.from(p.queries.begin / kStrip, 0),
                         .b = b.from(0, 0),
                         .rows = p.queries.size(),
                         .cols = p.keys.size(),
                         .units = ceil_div(x_.d(), kStrip),
                         .c = c,
                         .accumulate = false};
    };
    return {product(queries_, keys.keys_t, piece(i).scores), product(grads_, keys.values_t, piece(i).grads)};
  }
  /// What pair i adds to the gradients.
  Products<3> gradients_of(int64_t i) const {
    const Pair& p = pair(i);
    const KeyBlock& keys = block(p);
    const auto turned = [&](const Units& a, const Units& b, const DenseRows<float>& c) {
      return UnitProduct{.a = a.from(0, p.queries.begin / kStrip),
                         .b = b.from(0, 0),
                         .rows = x_.d(),
                         .cols = p.keys.size(),
                         .units = ceil_div(p.queries.size(), kStrip),
                         .c = c,
                         .accumulate = !p.first};
    };
    const Units &rows = piece(i).slope_rows, &cols = keys.keys;
    return {turned(grads_t_, piece(i).weights, keys.grad_v), turned(queries_t_, piece(i).slopes, keys.grad_k),
            UnitProduct{.a = rows.from(0, 0),
                        .b = cols.from(0, 0),
                        .rows = p.queries.size(),
                        .cols = x_.d(),
                        .units = ceil_div(p.keys.size(), kStrip),
                        .c = grad_q_.from(p.queries.begin),
                        .accumulate = p.block > 0}};
  }

  void load(const Pair& p) {
    KeyBlock& to = block(p);
    const int64_t d = x_.d();
    for_pieces(p.keys, kStrip, [&](Range strip) {
      const int64_t rows = strip.size(), index = (strip.begin - p.keys.begin) / kStrip;
      const auto k = AttentionOperands::head<const float>(x_.k, head_).from(strip.begin);
      const auto v = AttentionOperands::head<const float>(x_.v, head_).from(strip.begin);
      to.keys_t.take_panels({k.data, 1, k.stride}, d, rows, index, 0, scratch_);
      to.keys.take_panels({k.data, k.stride, 1}, rows, d, 0, index, scratch_);
      to.values_t.take_panels({v.data, 1, v.stride}, d, rows, index, 0, scratch_);
    });
  }

  void store(const Pair& p) {
    const KeyBlock& from = block(p);
    const auto k = AttentionOperands::head<float>(g_.grad_k, head_).from(p.keys.begin);
    const auto v = AttentionOperands::head<float>(g_.grad_v, head_).from(p.keys.begin);
    on_units_.turn(from.grad_k.data, from.grad_k.stride, x_.d(), p.keys.size(), k.data, k.stride);
    on_units_.turn(from.grad_v.data, from.grad_v.stride, x_.d(), p.keys.size(), v.data, v.stride);
  }
  /// The gradients of keys that no query sees.
  void clear(Range keys) {
    for (const View* x : {&g_.grad_k, &g_.grad_v})
      for (int64_t j = keys.begin; j < keys.end; ++j)
        std::fill_n(AttentionOperands::head<float>(*x, head_).row(j), x_.d(), 0.F);
  }

  float* bias_row(int64_t query, Range keys) const {
    return g_.grad_bias.as<float>() + (head_ * x_.n() + query) * x_.m() + keys.begin;
  }
  void store_bias(int64_t i) const {
    if (!g_.grad_bias.data) return;
    const Pair& p = pair(i);
    for (int64_t row = 0; row < p.queries.size(); ++row)
      std::copy_n(piece(i).grads.row(row), p.keys.size(), bias_row(p.queries.begin + row, p.keys));
  }
  void clear_bias(Range keys, Range queries) const {
    if (!g_.grad_bias.data) return;
    for (int64_t query = queries.begin; query < queries.end; ++query)
      std::fill_n(bias_row(query, keys), keys.size(), 0.F);
  }

  const AttentionOperands& x_;
  const AttentionGradients& g_;
  const TileKernels<float>& kernels_;
  const AttentionUnits& on_units_ = attention_units();
  const float scale_;
  const int64_t rows_of_piece_, head_;
  const DenseRows<float> grad_q_;
  Context context_{Device::cpu};
  Scores<float> scores_;
  Differentiator differentiator_;
  Units queries_, queries_t_;  ///< times the scale
  Units grads_, grads_t_;
  KeyBlock blocks_[2];  ///< of the pair at hand and of a neighbour
  Piece pieces_[2];     ///< of a pair and of the one before it or after it
  float* scratch_;
  std::vector<Pair> pairs_;
};

}  // namespace

void differentiate_on_tiles(const AttentionOperands& x, const AttentionGradients& g,
                            const AttentionParams& params, const TileKernels<float>& kernels, int64_t head,
                            Range keys, const float* delta, float* grad_q) {
  TileBackward(x, g, params, kernels, head, delta, grad_q).run(keys);
}

}  // namespace tsr::cpu
