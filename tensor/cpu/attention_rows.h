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

}  // namespace tsr::cpu
