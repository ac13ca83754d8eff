// Tasks of fused attention on tiles, forward. While the scores of a strip of queries become weights, the
// tiles multiply the next strip with the keys, and the weights of the one before with the values.
#include <array>
#include <limits>

#include "tensor/cpu/attention_tiles.h"

namespace tsr::cpu {
namespace {

using std::int64_t;

/// A strip of queries whose scores are to become weights.
struct WeighedStrip {
  int64_t query, rows;
  DenseRows<float> scores;
  float* weights;                ///< units of a left operand
  DenseRows<float> sums;         ///< of values, weighted so far; without data when there are none
  OnlineSoftmax<float>* states;  ///< of the rows
};

/// Weighs a strip in steps: one that gets a row ready, then one for every two of its units.
class Weigher {
 public:
  Weigher(Scores<float>& scores, int64_t unit_size, int64_t d)
      : scores_(scores), unit_size_(unit_size), d_(d) {}

  void begin(const WeighedStrip& strip) {
    strip_ = strip, row_ = 0, unit_ = -1, wild_ = false;
    units_ = ceil_div(scores_.count(), kStrip);
  }
  int64_t steps() const { return strip_.rows * (1 + ceil_div(units_, kUnitsOfStep)); }
  void step() {
    if (unit_ < 0) return begin_row();
    const int64_t begin = unit_, count = std::min(kUnitsOfStep, units_ - begin);
    const float* kept = score_row_.kept ? score_row_.kept + begin * kStrip : nullptr;
    on_units_.weigh(score_row_.scores + begin * kStrip, kept, strip_.states[row_].shift(),
                    score_row_.visible - begin * kStrip, count, sums_.data(),
                    strip_.weights + begin * unit_size_ + row_ * kStrip / 2);
    unit_ += count;
    if (unit_ == units_) end_row();
  }

 private:
  static constexpr int64_t kUnitsOfStep = 2;

  void begin_row() {
    score_row_ = scores_.row(strip_.query + row_, strip_.scores.row(row_));
    score_row_.cols = units_ * kStrip;
    const float factor = strip_.states[row_].raise(rows_.largest(score_row_));
    if (strip_.sums.data && factor != 1)
      rows_.scale(strip_.sums.row(row_), d_, factor, strip_.sums.row(row_));
    sums_.fill(0);
    unit_ = 0;
  }
  void end_row() {
    const float sum = on_units_.total(sums_.data());
    strip_.states[row_].sum += sum;
    wild_ = wild_ || !(sum < std::numeric_limits<float>::infinity());  // no weight is above 1
    unit_ = -1;
    if (++row_ < strip_.rows) return;
    for (int64_t unit = 0; unit < units_; ++unit) on_units_.mark(strip_.weights + unit * unit_size_, wild_);
  }

  Scores<float>& scores_;
  const AttentionRows<float>& rows_ = attention_rows<float>();
  const AttentionUnits& on_units_ = attention_units();
  const int64_t unit_size_, d_;
  WeighedStrip strip_{};
  ScoreRow<float> score_row_{};
  std::array<float, 16> sums_{};
  int64_t row_ = 0, unit_ = -1, units_ = 0;
  bool wild_ = false;
};

class TileForward {
 public:
  TileForward(const AttentionOperands& x, const AttentionParams& params, const TileKernels<float>& kernels,
              int64_t block, std::span<const TilePart> parts, const AttentionResults* results)
      : x_(x),
        kernels_(kernels),
        scale_(static_cast<float>(params.scale)),
        block_(block),
        results_(results),
        way_(x, params, parts, block, {kStrip, kStrip}),
        scores_(context_, x, params, block),
        weigher_(scores_, kernels.form->size, x.d()),
        scaled_(context_, kernels, Side::left, kStrip, x.d()),
        keys_(context_, kernels, Side::right, block, x.d()),
        values_(context_, kernels, Side::right, x.d(), block),
        weights_(context_, kernels, Side::left, 2 * kStrip, block),
        products_(context_.workspace_of<float>(static_cast<std::size_t>(2 * kStrip * row_step(block)))) {}

  void run() {
    for (const TilePart& part : way_.parts())
      std::fill_n(part.states, part.queries.size(), OnlineSoftmax<float>());
    leave_blind();
    for (int64_t i = -1; i <= way_.count(); ++i) advance(i);
  }

 private:
  /// Queries without any key have sums of zero. A part of them alone is never visited.
  void leave_blind() {
    for (const Itinerary::Blind& blind : way_.blind()) {
      if (!blind.first) continue;
      const TilePart& part = way_.part(blind.part);
      for (int64_t i = blind.queries.begin; i < blind.queries.end; ++i)
        std::fill_n(part.sums.row(i - part.queries.begin), x_.d(), 0.F);
    }
    for (const Itinerary::Blind& unseen : way_.unseen())
      if (unseen.first) store(way_.part(unseen.part));
  }

  /// Weighs strip i, and beside that adds up the one before and scores the one after.
  void advance(int64_t i) {
    const bool before = way_.has(i - 1), now = way_.has(i), after = way_.has(i + 1);
    // Weighing scales a row's sums, which must be there: those of the same rows are added up before.
    const bool adds_first = before && now && same_rows(i - 1, i), adds = before && !adds_first;
    if (adds_first) add(i - 1).run(kernels_, nullptr);
    const int64_t slots =
        (adds ? add(i - 1).slots(kernels_) : 0) + (after ? score(i + 1).slots(kernels_) : 0);
    Meanwhile meanwhile;
    if (now) {
      begin(i);
      meanwhile = Meanwhile(weigher_, slots);
    }
    if (after) form_for_scores(i + 1);
    if (adds) add(i - 1).run(kernels_, &meanwhile);
    if (before && way_.visit(i - 1).ends_part) store(way_.part_of(i - 1));
    if (now && way_.visit(i).first) form_values(i);
    if (after) score(i + 1).run(kernels_, &meanwhile);
    meanwhile.finish();
  }

  void form_for_scores(int64_t i) {
    const Range queries = way_.visit(i).queries, keys = way_.block_of(i).keys;
    const auto q = way_.head_of<const float>(x_.q, i).from(queries.begin);
    scaled_.take(q, queries.size(), x_.d(), false, scale_);
    if (!way_.visit(i).first) return;
    const auto k = way_.head_of<const float>(x_.k, i).from(keys.begin);
    keys_.take(k, keys.size(), x_.d(), true, 1);
  }
  void form_values(int64_t i) {
    const Range keys = way_.block_of(i).keys;
    const auto v = way_.head_of<const float>(x_.v, i).from(keys.begin);
    values_.take(v, keys.size(), x_.d(), false, 1);
  }

  void begin(int64_t i) {
    const Itinerary::Visit& visit = way_.visit(i);
    const TilePart& part = way_.part_of(i);
    if (visit.first) scores_.choose_keys(part.head, way_.block_of(i).keys);
    weigher_.begin({visit.queries.begin, visit.queries.size(), products(i), weights_.at(i % 2, 0),
                    way_.block_of(i).first ? DenseRows<float>{} : sums(i),
                    part.states + visit.queries.begin - part.queries.begin});
  }
  void store(const TilePart& part) const {
    if (!results_) return;
    for (int64_t i = 0; i < part.queries.size(); ++i)
      results_->store(part.head, part.queries.begin + i, part.sums.row(i), part.states[i]);
  }

  /// The scores of a strip's queries and the block's keys.
  UnitProduct score(int64_t i) const {
    const Itinerary::Visit& visit = way_.visit(i);
    return {.a = scaled_.from(0),
            .b = keys_.from(0),
            .rows = whole_tiles(visit.queries.size()),
            .cols = whole_tiles(way_.block_of(i).keys.size()),
            .units = ceil_div(x_.d(), kStrip),
            .c = products(i),
            .accumulate = false};
  }
  /// Adds the block's values, weighted, to a strip's sums.
  UnitProduct add(int64_t i) const {
    const Itinerary::Visit& visit = way_.visit(i);
    return {.a = weights_.from(i % 2),
            .b = values_.from(0),
            .rows = visit.queries.size(),
            .cols = x_.d(),
            .units = ceil_div(way_.block_of(i).keys.size(), kStrip),
            .c = sums(i),
            .accumulate = !way_.block_of(i).first};
  }

  bool same_rows(int64_t i, int64_t j) const {
    return way_.block_of(i).part == way_.block_of(j).part &&
           way_.visit(i).queries.begin == way_.visit(j).queries.begin;
  }
  DenseRows<float> products(int64_t i) const {
    return {products_ + i % 2 * kStrip * row_step(block_), row_step(block_)};
  }
  DenseRows<float> sums(int64_t i) const {
    return way_.part_of(i).sums.from(way_.visit(i).queries.begin - way_.part_of(i).queries.begin);
  }

  const AttentionOperands& x_;
  const TileKernels<float>& kernels_;
  const float scale_;
  const int64_t block_;
  const AttentionResults* results_;
  const Itinerary way_;
  Context context_{Device::cpu};
  Scores<float> scores_;
  Weigher weigher_;
  Units scaled_;  ///< a strip of the queries times the scale
  Units keys_, values_, weights_;
  float* products_;
};

}  // namespace

void attend_on_tiles(const AttentionOperands& x, const AttentionParams& params,
                     const TileKernels<float>& kernels, int64_t block, std::span<const TilePart> parts,
                     const AttentionResults* results) {
  TileForward(x, params, kernels, block, parts, results).run();
}

}  // namespace tsr::cpu
