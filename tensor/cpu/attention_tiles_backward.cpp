// Tasks of fused attention on tiles, backward. The keys go by blocks and the queries by pieces; while a
// piece's scores and the gradients of its weights become weights P and gradients of scores D, the tiles
// multiply what the last piece has left and what the next one needs.
//
// P and D are made in the layout of right operands, of gradients that are turned over: grad Vᵀ = Gᵀ·P and
// grad Kᵀ = Qᵀ·D. D is made in that of left ones, too: grad Q = D·K. The scale is in Q, and in that K.
#include <array>
#include <limits>
#include <numbers>
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
      : keys_t(context, kernels, Side::right, most, d),
        values_t(context, kernels, Side::right, most, d),
        keys(context, kernels, Side::right, d, most),
        grad_k{context.workspace_of<float>(static_cast<std::size_t>(d * row_step(most))), row_step(most)},
        grad_v{context.workspace_of<float>(static_cast<std::size_t>(d * row_step(most))), row_step(most)} {}
};

/// Room for a piece of the queries beside a block of keys.
struct Piece {
  Units queries, queries_t;        ///< times the scale
  Units upstream, upstream_t;      ///< gradients of y
  DenseRows<float> scores, grads;  ///< [queries, keys]; grads of the weights
  Units weights, slopes;           ///< P and D, right operands
  Units slope_rows;                ///< D, a left operand

  Piece(Context& context, const TileKernels<float>& kernels, int64_t rows, int64_t keys, int64_t d)
      : queries(context, kernels, Side::left, rows, d),
        queries_t(context, kernels, Side::left, d, rows),
        upstream(context, kernels, Side::left, rows, d),
        upstream_t(context, kernels, Side::left, d, rows),
        scores{context.workspace_of<float>(static_cast<std::size_t>(rows * row_step(keys))), row_step(keys)},
        grads{context.workspace_of<float>(static_cast<std::size_t>(rows * row_step(keys))), row_step(keys)},
        weights(context, kernels, Side::right, keys, rows),
        slopes(context, kernels, Side::right, keys, rows),
        slope_rows(context, kernels, Side::left, rows, keys) {}
};

/// What a head's rows of weights and slopes depend on.
struct HeadRows {
  const float *top, *log_sum, *delta;  ///< [n]
};

/// Differentiates a piece in steps, two rows of a strip at a time: one that gets them ready, then two for
/// each of their units. Longer steps would be more than a core looks ahead.
class Differentiator {
 public:
  Differentiator(Context& context, Scores<float>& scores, int64_t block, bool drops, bool stores)
      : scores_(scores),
        block_(block),
        stores_(stores),
        zeros_(context.workspace_of<float>(static_cast<std::size_t>(block))),
        kept_(drops ? context.workspace_of<float>(static_cast<std::size_t>(kStrip * block)) : nullptr) {
    std::fill_n(zeros_, block, 0.F);
  }

  void begin(const Piece& piece, Range queries, const HeadRows& head) {
    piece_ = &piece, queries_ = queries, head_ = head;
    strip_ = 0, units_ = ceil_div(scores_.count(), kStrip);
    begin_strip();
  }
  int64_t steps() const {
    int64_t pairs = 0;
    for (int64_t strip = 0; strip * kStrip < queries_.size(); ++strip) pairs += this->pairs(strip);
    return pairs * (1 + 2 * units_);
  }
  void step() {
    SlopeRow &low = row(pair_), &high = row(pair_ + kPairs);
    if (unit_ < 0) {
      low = ready(strip_ * kStrip + pair_, pair_);
      high = ready(strip_ * kStrip + pair_ + kPairs, pair_ + kPairs);
    } else if (!weighed_) {
      on_units_.weigh_again(low, high, unit_ * kStrip, pair_, to_);
      weighed_ = true;
      return;
    } else {
      on_units_.differentiate(low, high, unit_ * kStrip, pair_, to_);
      weighed_ = false;
    }
    if (++pair_ < pairs_) return;
    pair_ = 0;
    if (++unit_ < units_) return begin_unit();
    ++strip_;
    begin_strip();
  }

 private:
  static constexpr int64_t kPairs = kStrip / 2;

  /// Pairs of rows p and p + 16 of a strip; the last one may have fewer than 16.
  int64_t pairs(int64_t strip) const { return std::min(kPairs, queries_.size() - strip * kStrip); }

  void begin_strip() {
    unit_ = -1, pair_ = 0, weighed_ = false;
    pairs_ = pairs(strip_);
  }
  void begin_unit() {
    to_ = {piece_->weights.at(unit_, strip_), piece_->slopes.at(unit_, strip_),
           piece_->slope_rows.at(strip_, unit_), scores_.count() - unit_ * kStrip > kPairs ? 2 : 1, stores_};
    if (pairs_ < kPairs) on_units_.clear(pairs_, to_);
  }

  SlopeRow& row(int64_t i) { return of_strip_[static_cast<std::size_t>(i)]; }

  /// Row `index` of the piece and i of its strip. One that isn't there, or sees nothing, has weights of zero.
  SlopeRow ready(int64_t index, int64_t i) {
    const int64_t query = queries_.begin + index;
    if (query >= queries_.end) return {zeros_, zeros_, nullptr, 0, 0, 0, 0};
    float *scores = piece_->scores.row(index), *grads = piece_->grads.row(index);
    if (head_.top[query] == -std::numeric_limits<float>::infinity()) {
      std::fill_n(grads, scores_.count(), 0.F);
      return {zeros_, grads, nullptr, 0, 0, 0, 0};
    }
    const ScoreRow<float> row = scores_.row(query, scores);
    if (row.added) rows_.largest(row);
    float* kept = kept_ ? kept_ + i * block_ : nullptr;
    if (kept) std::copy_n(row.kept, units_ * kStrip, kept);
    const float log2_sum = head_.log_sum[query] * std::numbers::log2e_v<float>;
    return {scores, grads, kept, head_.top[query], log2_sum, head_.delta[query], row.visible};
  }

  Scores<float>& scores_;
  const AttentionRows<float>& rows_ = attention_rows<float>();
  const AttentionUnits& on_units_ = attention_units();
  const int64_t block_;
  const bool stores_;  ///< gradients of the scores, for grad_bias
  float *zeros_, *kept_;
  const Piece* piece_ = nullptr;
  Range queries_{0, 0};
  HeadRows head_{};
  std::array<SlopeRow, kStrip> of_strip_{};
  SlopeUnits to_{};
  int64_t strip_ = 0, unit_ = -1, units_ = 0, pair_ = 0, pairs_ = 0;
  bool weighed_ = false;  ///< whether the pair's scores are weights
};

class TileBackward {
 public:
  TileBackward(const AttentionOperands& x, const AttentionGradients& g, const AttentionParams& params,
               const TileKernels<float>& kernels, std::span<const TilePart> parts, const float* delta)
      : x_(x),
        g_(g),
        kernels_(kernels),
        scale_(static_cast<float>(params.scale)),
        delta_(delta),
        way_(x, params, parts, kBlock, kPiece),
        scores_(context_, x, params, kBlock),
        differentiator_(context_, scores_, kBlock, params.dropout > 0, g.grad_bias.data != nullptr),
        block_(context_, kernels, kBlock, x.d()),
        pieces_{{context_, kernels, kPiece.most, kBlock, x.d()},
                {context_, kernels, kPiece.most, kBlock, x.d()}} {}

  void run() {
    leave_blind();
    for (int64_t i = -1; i <= way_.count(); ++i) advance(i);
  }

 private:
  static constexpr int64_t kBlock = 8 * kStrip;
  static constexpr Itinerary::PieceSize kPiece{2 * kStrip, 3 * kStrip};
  template <std::size_t kCount>
  using Products = std::array<UnitProduct, kCount>;

  /// Gradients of what nothing sees are zero.
  void leave_blind() {
    for (const Itinerary::Blind& blind : way_.blind()) {
      const TilePart& part = way_.part(blind.part);
      for (int64_t i = blind.queries.begin; i < blind.queries.end; ++i) {
        if (blind.first) std::fill_n(part.sums.row(i), x_.d(), 0.F);
        if (g_.grad_bias.data) std::fill_n(bias_row(part.head, i, blind.keys), blind.keys.size(), 0.F);
      }
    }
    for (const Itinerary::Blind& unseen : way_.unseen())
      for (const View* x : {&g_.grad_k, &g_.grad_v})
        for (int64_t j = unseen.keys.begin; j < unseen.keys.end; ++j)
          std::fill_n(AttentionOperands::head<float>(*x, way_.part(unseen.part).head).row(j), x_.d(), 0.F);
  }

  /// Differentiates piece i, and beside that makes what the one before brings to the gradients and the scores
  /// of the one after.
  void advance(int64_t i) {
    const bool before = way_.has(i - 1), now = way_.has(i), after = way_.has(i + 1);
    const int64_t slots =
        (before ? slots_of(gradients_of(i - 1)) : 0) + (after ? slots_of(scores_of(i + 1)) : 0);
    Meanwhile meanwhile;
    if (now) {
      begin(i);
      meanwhile = Meanwhile(differentiator_, slots);
    }
    if (before) {
      run(gradients_of(i - 1), &meanwhile);
      if (way_.visit(i - 1).last) store(i - 1);
    }
    if (now && way_.visit(i).first) form_for_gradients(i);
    if (after) {
      form_for_scores(i + 1);
      run(scores_of(i + 1), &meanwhile);
    }
    meanwhile.finish();
    if (now) store_bias(i);
  }

  void form_for_scores(int64_t i) {
    form_queries(i);
    if (!way_.visit(i).first) return;
    const Range keys = way_.block_of(i).keys;
    block_.keys_t.take(way_.head_of<const float>(x_.k, i).from(keys.begin), keys.size(), x_.d(), true, 1);
    block_.values_t.take(way_.head_of<const float>(x_.v, i).from(keys.begin), keys.size(), x_.d(), true, 1);
  }
  /// Again for each block of keys: kept, all of a head's would take more than the second-level cache has to
  /// spare.
  void form_queries(int64_t i) {
    const Range queries = way_.visit(i).queries;
    const int64_t rows = queries.size(), d = x_.d();
    const auto q = way_.head_of<const float>(x_.q, i).from(queries.begin),
               grad = way_.head_of<const float>(g_.grad, i).from(queries.begin);
    const Piece& to = piece(i);
    to.queries.take(q, rows, d, false, scale_);
    to.queries_t.take(q, rows, d, true, scale_);
    to.upstream.take(grad, rows, d, false, 1);
    to.upstream_t.take(grad, rows, d, true, 1);
  }
  void form_for_gradients(int64_t i) {
    const Range keys = way_.block_of(i).keys;
    block_.keys.take(way_.head_of<const float>(x_.k, i).from(keys.begin), keys.size(), x_.d(), false, scale_);
  }

  void begin(int64_t i) {
    const int64_t head = way_.part_of(i).head, row = head * x_.n();
    if (way_.visit(i).first) scores_.choose_keys(head, way_.block_of(i).keys);
    differentiator_.begin(piece(i), way_.visit(i).queries,
                          {g_.top.as<float>() + row, g_.log_sum.as<float>() + row, delta_ + row});
  }

  /// The gradients of the keys of visit i's block.
  void store(int64_t i) const {
    const Range keys = way_.block_of(i).keys;
    const auto turn = [&](const DenseRows<float>& x, const View& grad) {
      const auto to = way_.head_of<float>(grad, i).from(keys.begin);
      turn_matrix(x.data, x.stride, x_.d(), keys.size(), to.data, to.stride);
    };
    turn(block_.grad_k, g_.grad_k);
    turn(block_.grad_v, g_.grad_v);
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

  /// The scores of visit i and the gradients of its weights.
  Products<2> scores_of(int64_t i) const {
    const auto product = [&](const Units& a, const Units& b, const DenseRows<float>& c) {
      return UnitProduct{.a = a.from(0),
                         .b = b.from(0),
                         .rows = whole_tiles(way_.visit(i).queries.size()),
                         .cols = whole_tiles(way_.block_of(i).keys.size()),
                         .units = ceil_div(x_.d(), kStrip),
                         .c = c,
                         .accumulate = false};
    };
    const Piece& piece = this->piece(i);
    return {product(piece.queries, block_.keys_t, piece.scores),
            product(piece.upstream, block_.values_t, piece.grads)};
  }
  /// What visit i adds to the gradients.
  Products<3> gradients_of(int64_t i) const {
    const Itinerary::Visit& visit = way_.visit(i);
    const Itinerary::Block& block = way_.block_of(i);
    const auto turned = [&](const Units& a, const Units& b, const DenseRows<float>& c) {
      return UnitProduct{.a = a.from(0),
                         .b = b.from(0),
                         .rows = x_.d(),
                         .cols = whole_tiles(block.keys.size()),
                         .units = ceil_div(visit.queries.size(), kStrip),
                         .c = c,
                         .accumulate = !visit.first};
    };
    const Piece& piece = this->piece(i);
    return {turned(piece.upstream_t, piece.weights, block_.grad_v),
            turned(piece.queries_t, piece.slopes, block_.grad_k),
            UnitProduct{.a = piece.slope_rows.from(0),
                        .b = block_.keys.from(0),
                        .rows = visit.queries.size(),
                        .cols = x_.d(),
                        .units = ceil_div(block.keys.size(), kStrip),
                        .c = way_.part(block.part).sums.from(visit.queries.begin),
                        .accumulate = !block.first}};
  }

  float* bias_row(int64_t head, int64_t query, Range keys) const {
    return g_.grad_bias.as<float>() + (head * x_.n() + query) * x_.m() + keys.begin;
  }
  void store_bias(int64_t i) const {
    if (!g_.grad_bias.data) return;
    const Range queries = way_.visit(i).queries, keys = way_.block_of(i).keys;
    for (int64_t row = 0; row < queries.size(); ++row)
      std::copy_n(piece(i).grads.row(row), keys.size(),
                  bias_row(way_.part_of(i).head, queries.begin + row, keys));
  }

  const Piece& piece(int64_t i) const { return pieces_[i % 2]; }

  const AttentionOperands& x_;
  const AttentionGradients& g_;
  const TileKernels<float>& kernels_;
  const float scale_;
  const float* delta_;
  const Itinerary way_;
  Context context_{Device::cpu};
  Scores<float> scores_;
  Differentiator differentiator_;
  KeyBlock block_;   ///< of the visit at hand and of a neighbour
  Piece pieces_[2];  ///< of a visit and of the one before it or after it
};

}  // namespace

void differentiate_on_tiles(const AttentionOperands& x, const AttentionGradients& g,
                            const AttentionParams& params, const TileKernels<float>& kernels,
                            std::span<const TilePart> parts, const float* delta) {
  TileBackward(x, g, params, kernels, parts, delta).run();
}

}  // namespace tsr::cpu
