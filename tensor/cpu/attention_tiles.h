// Attention on a machine's tiles. Its products leave the vector units free, and what comes between two
// products is work for these: scores are made and weights used while the block of scores between them is
// turned into weights.
#pragma once

#include "tensor/cpu/attention.h"

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
  Units(Context& context, const TileKernels<float>& kernels, std::int64_t extent, std::int64_t depth);

  /// Become a, [rows, depth], a left operand, from a strip and a unit on.
  void take_rows(const StridedMatrix<float>& a, std::int64_t rows, std::int64_t depth, std::int64_t strip,
                 std::int64_t unit);
  /// Become b, [depth, cols], a right operand, likewise. `scratch` has room for `depth` rows of 32.
  void take_panels(const StridedMatrix<float>& b, std::int64_t depth, std::int64_t cols, std::int64_t strip,
                   std::int64_t unit, float* scratch);

  float* at(std::int64_t strip, std::int64_t unit) const {
    return data_ + strip * step_ + unit * form_->size;
  }
  UnitSlice from(std::int64_t strip, std::int64_t unit) const { return {at(strip, unit), step_}; }

 private:
  const TileForm<float>* form_;
  std::int64_t step_;
  float* data_;
};

/// c [rows, cols] (+)= a·b.
struct UnitProduct {
  UnitSlice a, b;
  std::int64_t rows, cols, units;  ///< units of depth
  DenseRows<float> c;
  bool accumulate;

  void run(const TileKernels<float>& kernels, Meanwhile* meanwhile) const;
  std::int64_t slots(const TileKernels<float>& kernels) const;
};

/// The machine's tiles, when they are worth while for these operands.
template <class T>
const TileKernels<float>* attention_tiles(const AttentionOperands& x);

/// Attends from some queries of a head to some of its keys, blocks of `block` at a time: sums of weighted
/// values [queries, d] and the states of their rows.
void attend_on_tiles(const AttentionOperands& x, const AttentionParams& params,
                     const TileKernels<float>& kernels, std::int64_t block, std::int64_t head, Range queries,
                     Range keys, float* sums, OnlineSoftmax<float>* states);

struct AttentionGradients {
  View grad, y, top, log_sum, grad_q, grad_k, grad_v, grad_bias;
};

/// The gradients of some keys and values of a head, and what they bring to grad_q [n, d], but for the scale.
void differentiate_on_tiles(const AttentionOperands& x, const AttentionGradients& g,
                            const AttentionParams& params, const TileKernels<float>& kernels,
                            std::int64_t head, Range keys, const float* delta, float* grad_q);

}  // namespace tsr::cpu
