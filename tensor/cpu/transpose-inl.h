// Matrices turned over, compiled for each instruction set.
#if defined(TESSERA_TENSOR_CPU_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_TENSOR_CPU_TRANSPOSE_INL_H_
#undef TESSERA_TENSOR_CPU_TRANSPOSE_INL_H_
#else
#define TESSERA_TENSOR_CPU_TRANSPOSE_INL_H_
#endif

#include <cstdint>

#include "tensor/cpu/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
/// Turns over a square of four in each block of 16 bytes: rows a to e become columns.
template <class D, class V>
HWY_INLINE void turn_blocks(D d, V& a, V& b, V& c, V& e) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RepartitionToWide<D> pairs;
  const auto ab = hn::BitCast(pairs, hn::InterleaveLower(d, a, b)),
             ce = hn::BitCast(pairs, hn::InterleaveLower(d, c, e)),
             ab_high = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b)),
             ce_high = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
  a = hn::BitCast(d, hn::InterleaveLower(pairs, ab, ce));
  b = hn::BitCast(d, hn::InterleaveUpper(pairs, ab, ce));
  c = hn::BitCast(d, hn::InterleaveLower(pairs, ab_high, ce_high));
  e = hn::BitCast(d, hn::InterleaveUpper(pairs, ab_high, ce_high));
}

/// to[k·width + j] = from[j·stride + k] for a square of as many as 16 bytes hold.
template <class T>
HWY_INLINE void transpose_square(const T* from, std::int64_t stride, T* to, std::int64_t width) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::FixedTag<T, 16 / sizeof(T)> d;
  auto a = hn::LoadU(d, from), b = hn::LoadU(d, from + stride);
  if constexpr (sizeof(T) == 8) {
    hn::StoreU(hn::InterleaveLower(d, a, b), d, to);
    hn::StoreU(hn::InterleaveUpper(d, a, b), d, to + width);
  } else {
    auto c = hn::LoadU(d, from + 2 * stride), e = hn::LoadU(d, from + 3 * stride);
    turn_blocks(d, a, b, c, e);
    hn::StoreU(a, d, to);
    hn::StoreU(b, d, to + width);
    hn::StoreU(c, d, to + 2 * width);
    hn::StoreU(e, d, to + 3 * width);
  }
}

/// The same for a square of 16 elements, each row a vector: squares of four, four at a time, and then of
/// their rows, which are blocks of 16 bytes.
HWY_INLINE void transpose_square_of_16(const float* from, std::int64_t stride, float* to,
                                       std::int64_t width) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::CappedTag<float, 16> d;
  hn::Vec<decltype(d)> part[4][4];  // [g][q]: block b is column 4b + q of rows 4g to 4g + 3
#pragma GCC unroll 4
  for (int g = 0; g < 4; ++g) {
    auto& [a, b, c, e] = part[g];
    const float* row = from + 4 * g * stride;
    a = hn::LoadU(d, row), b = hn::LoadU(d, row + stride);
    c = hn::LoadU(d, row + 2 * stride), e = hn::LoadU(d, row + 3 * stride);
    turn_blocks(d, a, b, c, e);
  }
#pragma GCC unroll 4
  for (int q = 0; q < 4; ++q) {
    const auto a = part[0][q], b = part[1][q], c = part[2][q], e = part[3][q];
    const auto even_ab = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(b), a),
               odd_ab = hn::OddEvenBlocks(b, hn::SwapAdjacentBlocks(a)),
               even_ce = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(e), c),
               odd_ce = hn::OddEvenBlocks(e, hn::SwapAdjacentBlocks(c));
    float* column = to + q * width;
    hn::StoreU(hn::ConcatLowerLower(d, even_ce, even_ab), d, column);
    hn::StoreU(hn::ConcatLowerLower(d, odd_ce, odd_ab), d, column + 4 * width);
    hn::StoreU(hn::ConcatUpperUpper(d, even_ce, even_ab), d, column + 8 * width);
    hn::StoreU(hn::ConcatUpperUpper(d, odd_ce, odd_ab), d, column + 12 * width);
  }
}
#endif

/// to[k·width + j] = from[j·stride + k] for all rows j and columns k, one by one where no square fits.
template <class T>
HWY_INLINE void transpose_part(const T* from, std::int64_t stride, std::int64_t rows, std::int64_t cols,
                               T* to, std::int64_t width) {
  std::int64_t whole_rows = 0, whole_cols = 0;
#if HWY_TARGET != HWY_SCALAR
  constexpr std::int64_t kSide = 16 / sizeof(T);
  whole_rows = rows / kSide * kSide, whole_cols = cols / kSide * kSide;
  for (std::int64_t j = 0; j < whole_rows; j += kSide)
    for (std::int64_t k = 0; k < whole_cols; k += kSide)
      transpose_square(from + j * stride + k, stride, to + k * width + j, width);
#endif
  for (std::int64_t j = 0; j < rows; ++j)
    for (std::int64_t k = j < whole_rows ? whole_cols : 0; k < cols; ++k)
      to[k * width + j] = from[j * stride + k];
}

/// The same, by the largest squares that fit.
template <class T>
HWY_INLINE void transpose(const T* from, std::int64_t stride, std::int64_t rows, std::int64_t cols, T* to,
                          std::int64_t width) {
  namespace hn = hwy::HWY_NAMESPACE;
  std::int64_t whole_rows = 0, whole_cols = 0;
#if HWY_TARGET != HWY_SCALAR
  if constexpr (sizeof(T) == 4 && hn::MaxLanes(hn::ScalableTag<float>()) == 16) {
    whole_rows = rows / 16 * 16, whole_cols = cols / 16 * 16;
    for (std::int64_t j = 0; j < whole_rows; j += 16)
      for (std::int64_t k = 0; k < whole_cols; k += 16)
        transpose_square_of_16(from + j * stride + k, stride, to + k * width + j, width);
  }
#endif
  transpose_part(from + whole_cols, stride, whole_rows, cols - whole_cols, to + whole_cols * width, width);
  transpose_part(from + whole_rows * stride, stride, rows - whole_rows, cols, to + whole_rows, width);
}

}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#endif
