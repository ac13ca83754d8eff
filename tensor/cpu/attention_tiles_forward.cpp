// A task of fused attention on tiles, forward. While the scores of a strip of queries become weights, the
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
  static void step(void* self) { static_cast<Weigher*>(self)->step(); }

 private:
  static constexpr int64_t kUnitsOfStep = 2;

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
              int64_t block, int64_t head, Range queries)
      : x_(x),
        kernels_(kernels),
        block_(block),
        head_(head),
        queries_(queries),
        scores_(context_, x, params, head, block),
        weigher_(scores_, kernels.form->size, x.d()),
        scaled_(context_, kernels, queries.size(), x.d()),
        keys_(context_, kernels, block, x.d()),
        values_(context_, kernels, x.d(), block),
        weights_(context_, kernels, 2 * kStrip, block),
        products_(context_.workspace_of<float>(static_cast<std::size_t>(2 * kStrip * block))),
        scratch_(context_.workspace_of<float>(static_cast<std::size_t>(kStrip * std::max(block, x.d())))) {
    const auto q = AttentionOperands::head<const float>(x.q, head).from(queries.begin);
    for (int64_t strip = 0; strip < strips(); ++strip) {
      scale_rows(q.from(strip * kStrip), size(strip), x.d(), static_cast<float>(params.scale), scratch_);
      scaled_.take_rows({scratch_, x.d(), 1}, size(strip), x.d(), strip, 0);
    }
  }

  void run(Range keys, float* sums, OnlineSoftmax<float>* states) {
    std::fill_n(states, queries_.size(), OnlineSoftmax<float>());
    sums_ = {sums, x_.d()}, states_ = states, started_ = false;
    for_pieces(keys, block_, [&](Range block) {
      attend(block);
      started_ = true;
    });
  }

 private:
  int64_t strips() const { return ceil_div(queries_.size(), kStrip); }
  int64_t size(int64_t strip) const { return std::min(kStrip, queries_.size() - strip * kStrip); }
  DenseRows<float> products(int64_t strip) const { return {products_ + strip % 2 * kStrip * block_, block_}; }
  DenseRows<float> sums(int64_t strip) const { return sums_.from(strip * kStrip); }

  void attend(Range block) {
    scores_.choose_keys(block);
    int64_t strip = 0;  // the first that sees any of them
    while (strip < strips() && scores_.visible(queries_.begin + strip * kStrip + size(strip) - 1) == 0)
      ++strip;
    if (!started_) std::fill_n(sums_.data, std::min(strip * kStrip, queries_.size()) * x_.d(), 0.F);
    if (strip == strips()) return;
    const auto k = AttentionOperands::head<const float>(x_.k, head_).from(block.begin);
    const auto v = AttentionOperands::head<const float>(x_.v, head_).from(block.begin);
    keys_.take_panels({k.data, 1, k.stride}, x_.d(), block.size(), 0, 0, scratch_);
    values_.take_panels({v.data, v.stride, 1}, block.size(), x_.d(), 0, 0, scratch_);
    score(strip).run(kernels_, nullptr);
    for (const int64_t first = strip; strip < strips(); ++strip) weigh(strip, first);
    add(strips() - 1).run(kernels_, nullptr);
  }

  void weigh(int64_t strip, int64_t first) {
    weigher_.begin({queries_.begin + strip * kStrip, size(strip), products(strip), weights_.at(strip % 2, 0),
                    started_ ? sums(strip) : DenseRows<float>{}, states_ + strip * kStrip});
    const bool before = strip > first, after = strip + 1 < strips();
    const int64_t slots =
        (after ? score(strip + 1).slots(kernels_) : 0) + (before ? add(strip - 1).slots(kernels_) : 0);
    Meanwhile meanwhile(Weigher::step, &weigher_, weigher_.steps(), slots);
    if (after) score(strip + 1).run(kernels_, &meanwhile);
    if (before) add(strip - 1).run(kernels_, &meanwhile);
    meanwhile.finish();
  }

  /// The scores of a strip's queries and the block's keys.
  UnitProduct score(int64_t strip) const {
    return {.a = scaled_.from(strip, 0),
            .b = keys_.from(0, 0),
            .rows = size(strip),
            .cols = scores_.count(),
            .units = ceil_div(x_.d(), kStrip),
            .c = products(strip),
            .accumulate = false};
  }
  /// Adds the block's values, weighted, to a strip's sums.
  UnitProduct add(int64_t strip) const {
    return {.a = weights_.from(strip % 2, 0),
            .b = values_.from(0, 0),
            .rows = size(strip),
            .cols = x_.d(),
            .units = ceil_div(scores_.count(), kStrip),
            .c = sums(strip),
            .accumulate = started_};
  }

  const AttentionOperands& x_;
  const TileKernels<float>& kernels_;
  const AttentionRows<float>& rows_ = attention_rows<float>();
  const int64_t block_, head_;
  const Range queries_;
  Context context_{Device::cpu};
  Scores<float> scores_;
  Weigher weigher_;
  Units scaled_;  ///< the queries times the scale
  Units keys_, values_, weights_;
  float *products_, *scratch_;
  DenseRows<float> sums_;
  OnlineSoftmax<float>* states_ = nullptr;
  bool started_ = false;  ///< whether sums and states hold anything
};

}  // namespace

void attend_on_tiles(const AttentionOperands& x, const AttentionParams& params,
                     const TileKernels<float>& kernels, int64_t block, int64_t head, Range queries,
                     Range keys, float* sums, OnlineSoftmax<float>* states) {
  TileForward(x, params, kernels, block, head, queries).run(keys, sums, states);
}

}  // namespace tsr::cpu
