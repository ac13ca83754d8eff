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

/// The same for a square of 16 elements, each row a vector. Loads bring blocks of four elements where they
/// belong, a row of four blocks at a time, and what is left are squares of four: fewer shuffles, of which a
/// core makes one a cycle, than between vectors of whole rows.
HWY_INLINE void transpose_square_of_16(const float* from, std::int64_t stride, float* to,
                                       std::int64_t width) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::CappedTag<float, 16> d;
  const auto block = [&](int index) HWY_ATTR {
    const std::uint8_t bits[2] = {static_cast<std::uint8_t>(index == 1 ? 0xF0 : 0),
                                  static_cast<std::uint8_t>(index == 2   ? 0x0F
                                                            : index == 3 ? 0xF0
                                                                         : 0)};
    return hn::LoadMaskBits(d, bits);
  };
  const auto second = block(1), third = block(2), fourth = block(3);
#pragma GCC unroll 4
  for (int k = 0; k < 16; k += 4) {
    // blocks b are columns k to k + 3 of row 4b + i
    const auto gather = [&](int i) HWY_ATTR {
      const float* row = from + i * stride + k;
      auto blocks = hn::LoadDup128(d, row);
      blocks = hn::IfThenElse(second, hn::LoadDup128(d, row + 4 * stride), blocks);
      blocks = hn::IfThenElse(third, hn::LoadDup128(d, row + 8 * stride), blocks);
      return hn::IfThenElse(fourth, hn::LoadDup128(d, row + 12 * stride), blocks);
    };
    auto a = gather(0), b = gather(1), c = gather(2), e = gather(3);
    turn_blocks(d, a, b, c, e);
    hn::StoreU(a, d, to + k * width);
    hn::StoreU(b, d, to + (k + 1) * width);
    hn::StoreU(c, d, to + (k + 2) * width);
    hn::StoreU(e, d, to + (k + 3) * width);
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
