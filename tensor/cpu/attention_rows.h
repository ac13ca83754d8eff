// What attention does to a row of scores between its matrix products.
#pragma once

#include <cstdint>

#include "tensor/online_softmax.h"

namespace tsr::cpu {

/// A row of a block of scores. All its arrays have room for whole vectors; what is behind `cols` is scratch.
template <class T>
struct ScoreRow {
  T* scores;             ///< [cols]
  std::int64_t cols;     ///< of the block
  std::int64_t visible;  ///< how many of them the query sees
  const T* added;        ///< [cols], added to the scores; may be null
  const T* kept;         ///< [cols], what dropout multiplies each weight by; may be null
};

/// The functions of one instruction set.
template <class T>
struct AttentionRows {
  /// scores += added, -inf where not seen; returns the largest.
  T (*largest)(const ScoreRow<T>&);
  /// scores = kept·exp(scores + added - top), 0 where not seen, and takes them into the state; returns what
  /// was weighted before must be multiplied by.
  T (*weigh)(const ScoreRow<T>&, OnlineSoftmax<T>&);
  /// scores = kept·w with w = exp(scores + added - top - log_sum), and grads = w·(kept·grads - delta): from
  /// the gradients of the weights to those of the scores. 0 where not seen, and everywhere when top is -inf.
  void (*differentiate)(const ScoreRow<T>&, T top, T log_sum, T* grads, T delta);
  /// to = x·factor, dense; in place too.
  void (*scale)(const T* x, std::int64_t count, T factor, T* to);
  /// to += x·factor.
  void (*add_scaled)(const T* x, std::int64_t count, T factor, T* to);
  /// Σ a·b.
  T (*dot)(const T* a, const T* b, std::int64_t count);
};

/// T is float or double.
template <class T>
const AttentionRows<T>& attention_rows();

/// A row of scores and of the gradients of its weights.
struct SlopeRow {
  float *scores, *grads;
  const float* kept;           ///< what dropout multiplies each weight by; may be null
  float top, log2_sum, delta;  ///< log2_sum in units of base 2
  std::int64_t visible;        ///< behind so many columns, weights are zero
};

/// 32 rows of scores by 32 columns, on their way to units of operands.
struct SlopeUnits {
  float *weights, *slopes;  ///< of panels whose depth the rows are
  float* slope_rows;        ///< of rows whose depth the columns are
  int halves;               ///< of the columns that are there: 16 or 32
  bool stored;              ///< whether gradients become those of the scores where they are, too
};

/// The functions that leave their results in units of operands (bf16x3-inl.h).
struct AttentionUnits {
  /// kept·exp(scores - shift), of one row, to that row of `units` units; sums [16] += exp(scores - shift). Of
  /// the scores `visible` at most are above -inf, the first ones.
  void (*weigh)(const float* scores, const float* kept, float shift, std::int64_t visible, std::int64_t units,
                float* sums, float* to);
  /// Σ sums [16].
  float (*total)(const float* sums);
  /// Says of a unit that was weighed whether a number in it is wild.
  void (*mark)(float* unit, bool wild);
  /// For a unit's columns, which begin at `col`, of rows p and p + 16: scores become weights in their place,
  /// and those that dropout keeps the panel's.
  void (*weigh_again)(const SlopeRow& low, const SlopeRow& high, std::int64_t col, std::int64_t p,
                      const SlopeUnits& to);
  /// Then the gradients of the scores, from those weights, for p = 0, 1 … in turn.
  void (*differentiate)(const SlopeRow& low, const SlopeRow& high, std::int64_t col, std::int64_t p,
                        const SlopeUnits& to);
  /// Zeros for the rows from p to 15, and for those that are 16 further, of the panels.
  void (*clear)(std::int64_t p, const SlopeUnits& to);
};

const AttentionUnits& attention_units();

}  // namespace tsr::cpu
