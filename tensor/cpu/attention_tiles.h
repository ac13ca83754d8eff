// Attention on a machine's tiles. Its products leave the vector units free, and what comes between two
// products is work for these: scores are made and weights used while the block of scores between them is
// turned into weights. Tasks have several heads, one after the other without a gap.
#pragma once

#include <span>
#include <vector>

#include "tensor/cpu/amx.h"
#include "tensor/cpu/attention.h"
#include "tensor/cpu/unit_form.h"

namespace tsr::cpu {

inline constexpr std::int64_t kStrip = 32;  ///< rows or columns of a strip, and depths of a unit

/// Where a product begins to read an operand, and what lies between its strips.
struct UnitSlice {
  const float* data;
  std::int64_t step;
};

/// Operands of tile products: strips of rows of A, or of columns of B, each a row of units of depth.
class Units {
 public:
  /// Room for `extent` rows or columns of `depth`, in the context's workspace.
  Units(Context& context, const TileKernels<float>& kernels, Side side, std::int64_t extent,
        std::int64_t depth);

  /// Become x·factor, [rows, cols], or its transpose.
  void take(const DenseRows<const float>& x, std::int64_t rows, std::int64_t cols, bool turned,
            float factor) const;

  float* at(std::int64_t strip, std::int64_t unit) const {
    return data_ + strip * step_ + unit * form_->size;
  }
  /// From a strip on.
  UnitSlice from(std::int64_t strip) const { return {at(strip, 0), step_}; }

 private:
  const TileForm<float>* form_;
  Side side_;
  std::int64_t step_;
  float* data_;
};

/// From one row of a block of scores to the next: off the powers of two, for the rows of a tile not to share
/// a set of the first-level cache.
constexpr std::int64_t row_step(std::int64_t block) { return block + kTileRows; }

/// Rows or columns of as few tiles as hold so many: a product in whole tiles needn't be cut to size.
constexpr std::int64_t whole_tiles(std::int64_t extent) { return ceil_div(extent, kTileRows) * kTileRows; }

/// c [rows, cols] (+)= a·b.
struct UnitProduct {
  UnitSlice a, b;
  std::int64_t rows, cols, units;  ///< units of depth
  DenseRows<float> c;
  bool accumulate;

  void run(const TileKernels<float>& kernels, Meanwhile* meanwhile) const;
  std::int64_t slots(const TileKernels<float>& kernels) const;
};

/// Some queries of a head beside some of its keys, and where their sums belong.
struct TilePart {
  std::int64_t head;
  Range queries, keys;
  DenseRows<float> sums;                   ///< [queries, d]: forward of values, backward grad_q
  OnlineSoftmax<float>* states = nullptr;  ///< [queries], forward
};

/// A way through parts of heads: block by block of their keys, and for each, piece by piece of the queries
/// that see some of it.
class Itinerary {
 public:
  struct Block {
    std::int64_t part;
    Range keys;
    bool first;  ///< of the part
  };
  struct Visit {
    std::int64_t block;
    Range queries;
    bool first, last;  ///< of the block
    bool ends_part;
  };
  /// Queries that see none of the keys.
  struct Blind {
    std::int64_t part;
    Range keys, queries;
    bool first;  ///< whether the keys are the part's first
  };
  struct PieceSize {
    std::int64_t usual, most;  ///< queries; a part's last piece may be shorter, or as long as `most`
  };

  /// In blocks of at most `block` keys. The parts outlive this.
  Itinerary(const AttentionOperands& x, const AttentionParams& params, std::span<const TilePart> parts,
            std::int64_t block, PieceSize piece);

  std::int64_t count() const { return static_cast<std::int64_t>(visits_.size()); }
  bool has(std::int64_t visit) const { return visit >= 0 && visit < count(); }
  const Visit& visit(std::int64_t index) const { return visits_[static_cast<std::size_t>(index)]; }
  const Block& block_of(std::int64_t visit) const {
    return blocks_[static_cast<std::size_t>(this->visit(visit).block)];
  }
  std::span<const TilePart> parts() const { return parts_; }
  const TilePart& part(std::int64_t index) const { return parts_[static_cast<std::size_t>(index)]; }
  const TilePart& part_of(std::int64_t visit) const { return part(block_of(visit).part); }
  /// The matrix of x that belongs to a visit's head.
  template <class T>
  DenseRows<T> head_of(const View& x, std::int64_t visit) const {
    return AttentionOperands::head<T>(x, part_of(visit).head);
  }
  const std::vector<Blind>& blind() const { return blind_; }
  /// Keys that no query of their part sees.
  const std::vector<Blind>& unseen() const { return unseen_; }

 private:
  void visit(const AttentionOperands& x, const AttentionParams& params, const Block& block, Range all,
             PieceSize piece);

  std::span<const TilePart> parts_;
  std::vector<Block> blocks_;
  std::vector<Visit> visits_;
  std::vector<Blind> blind_, unseen_;
};

/// The machine's tiles, when they are worth while for these operands.
template <class T>
const TileKernels<float>* attention_tiles(const AttentionOperands& x);

/// How many tasks' parts go to a thread together. No part's results depend on it.
std::int64_t parts_together(std::int64_t parts);

/// Attends from the parts' queries to their keys, blocks of `block` at a time. With `results`, the parts have
/// all keys of their queries, their sums lie where y does, and results are stored.
void attend_on_tiles(const AttentionOperands& x, const AttentionParams& params,
                     const TileKernels<float>& kernels, std::int64_t block, std::span<const TilePart> parts,
                     const AttentionResults* results);

struct AttentionGradients {
  View grad, y, top, log_sum, grad_q, grad_k, grad_v, grad_bias;
};

/// The gradients of the parts' keys and values, and what they bring to grad_q. `delta` is Σ grad ∘ y of all
/// rows, [head, n].
void differentiate_on_tiles(const AttentionOperands& x, const AttentionGradients& g,
                            const AttentionParams& params, const TileKernels<float>& kernels,
                            std::span<const TilePart> parts, const float* delta);

}  // namespace tsr::cpu
