#pragma once
// ldmatrix and mma: what a warp does together on matrices (cuda/ptx.h has the words, cuda/fragments.h the
// layouts).

#include <bit>
#include <cmath>
#include <cstdint>

#include "cuda/emulator/block.h"
#include "cuda/fragments.h"

namespace tsr::emu {

// ---- ldmatrix ----

/// A row of an 8 x 8 matrix of 16-bit elements, by twos.
struct [[gnu::may_alias]] alignas(16) MatrixRow {
  std::uint32_t pair[4];
};
/// What a lane gives and gets: `count` rows of its own, of one matrix a load, and its registers of them all.
struct MatrixLoad {
  const MatrixRow* rows;
  std::uint32_t* registers;
};
/// Throws unless the row is in shared memory and aligned.
void check_matrix_row(const Site& site, const void* row);
/// Gives every lane its registers of `count` loads of `matrices` matrices, whose rows are the lanes'.
void exchange_rows(MatrixLoad* const* lanes, int count, int matrices, bool trans);

/// A lane reads its rows as it arrives: no other lane's writes are ordered before that but by a barrier.
/// (Inlined always: the checking build then knows the kernel's line.)
template <int matrices, bool trans, int count, class Rows>
[[gnu::always_inline]] inline void load_matrices(const Site& site, std::uint32_t* registers,
                                                 const Rows& rows) {
  MatrixRow own[count] = {};
  if (static_cast<int>(Block::current().lane()) < 8 * matrices)
    for (int i = 0; i < count; ++i) {
      const void* const row = rows(i);
      check_matrix_row(site, row);
      own[i] = *static_cast<const MatrixRow*>(row);
    }
  MatrixLoad load{own, registers};
  Block::current().meet(site, kWholeWarp, load,
                        [](MatrixLoad* const* lanes) { exchange_rows(lanes, count, matrices, trans); });
}

template <bool trans = false, class T>
[[gnu::always_inline]] inline void ldmatrix_x4(FragmentA<T>& a, const void* row, Here at = Here::current()) {
  static_assert(!trans || sizeof(T) == 2, "ldmatrix transposes 16-bit elements only");
  load_matrices<4, trans, 1>(Site::of_warp("ldmatrix", at), a.reg, [&](int) { return row; });
}
template <bool trans = false, class T, int n, class Rows>
[[gnu::always_inline]] inline void ldmatrix_x4(FragmentA<T> (&a)[n], const Rows& rows,
                                               Here at = Here::current()) {
  static_assert(!trans || sizeof(T) == 2, "ldmatrix transposes 16-bit elements only");
  load_matrices<4, trans, n>(Site::of_warp("ldmatrix", at, n), a[0].reg, rows);
}
template <bool trans = false, class T, int n, class Rows>
[[gnu::always_inline]] inline void ldmatrix_x4(FragmentB<T> (&b)[n], const Rows& rows,
                                               Here at = Here::current()) {
  static_assert(n % 2 == 0, "ldmatrix_x4 fills fragments of B by twos");
  static_assert(!trans || sizeof(T) == 2, "ldmatrix transposes 16-bit elements only");
  load_matrices<4, trans, n / 2>(Site::of_warp("ldmatrix", at, n / 2), b[0].reg, rows);
}
template <bool trans = false, class T>
[[gnu::always_inline]] inline void ldmatrix_x2(FragmentB<T>& b, const void* row, Here at = Here::current()) {
  static_assert(!trans || sizeof(T) == 2, "ldmatrix transposes 16-bit elements only");
  load_matrices<2, trans, 1>(Site::of_warp("ldmatrix", at), b.reg, [&](int) { return row; });
}

// ---- mma ----

/// What a lane brings to the products of m fragments of A and n of B.
template <class T>
struct MatrixProduct {
  FragmentC* c;  ///< [m][n]
  const FragmentA<T>* a;
  const FragmentB<T>* b;
};
inline constexpr int kMostFragments = 16;  ///< of A: they would fill a lane's registers
/// Each element of C gets its products one by one, k rising, each sum rounded to float32. (Products of 16-bit
/// and of tf32 numbers are exact; how a GPU rounds their sums is not documented.)
template <class T>
void multiply(MatrixProduct<T>* const* lanes, int m, int n);

template <class T, int m, int n>
void mma(FragmentC (&c)[m][n], const FragmentA<T> (&a)[m], const FragmentB<T> (&b)[n],
         Here at = Here::current()) {
  static_assert(m <= kMostFragments);
  MatrixProduct<T> product{c[0], a, b};
  Block::current().meet(Site::of_warp("mma.sync", at, m * n), kWholeWarp, product,
                        [](MatrixProduct<T>* const* lanes) { multiply(lanes, m, n); });
}
template <class T>
void mma(FragmentC& c, const FragmentA<T>& a, const FragmentB<T>& b, Here at = Here::current()) {
  MatrixProduct<T> product{&c, &a, &b};
  Block::current().meet(Site::of_warp("mma.sync", at), kWholeWarp, product,
                        [](MatrixProduct<T>* const* lanes) { multiply(lanes, 1, 1); });
}

// ---- conversions ----

template <class T>
std::uint32_t pack(float low, float high) {
  static_assert(sizeof(T) == 2);
  return T(low).bits | std::uint32_t{T(high).bits} << 16;
}

inline float round_tf32(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7f800000u) == 0x7f800000u) return x;  // infinity and NaN
  return std::bit_cast<float>((bits + 0x1000u) & ~0x1fffu);
}
inline float exp2_flushed(float x) { return x < -126 ? 0.0f : std::exp2(x); }

}  // namespace tsr::emu
