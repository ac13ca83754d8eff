// Operands of tile products, made of matrices.
#pragma once

#include <cstdint>

namespace tsr::cpu {

enum class Side { left, right };

/// A block of a matrix, x [rows, cols] of at most 32 by 32, that becomes a unit (bf16x3-inl.h).
struct UnitSource {
  Side side;
  bool turned;  ///< xᵀ is the operand's block
  const float* x;
  std::int64_t stride, rows, cols;
  float factor;  ///< of all numbers
  float* to;

  std::int64_t height() const { return turned ? cols : rows; }  ///< of the operand's block
  std::int64_t width() const { return turned ? rows : cols; }
};

/// Forms the unit: zeros follow the last depths, and columns of a right operand; of a left one, rows that
/// aren't there are left as they are.
void form_unit(const UnitSource& source);

/// to[j, i] = x[i, j], x [rows, cols].
void turn_matrix(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t cols, float* to,
                 std::int64_t to_stride);

}  // namespace tsr::cpu
