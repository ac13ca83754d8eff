#pragma once
// Fragments: what one lane of a warp holds of the operands of a matrix instruction of the tensor cores, as
// the PTX ISA's tables for mma.m16n8k16 (16-bit types) and mma.m16n8k8 (tf32) lay them out. With g = lane / 4
// and t = lane % 4, register by register:
//
//   A [16][k]   16 bits, k = 16     (g, 2t..2t+1)  (g+8, 2t..)  (g, 2t+8..)  (g+8, 2t+8..)
//               float, k = 8        (g, t)         (g+8, t)     (g, t+4)     (g+8, t+4)
//   B [k][8]    16 bits, k = 16     (2t..2t+1, g)  (2t+8.., g)
//               float, k = 8        (t, g)         (t+4, g)
//   C [16][8]   float               (g, 2t)        (g, 2t+1)    (g+8, 2t)    (g+8, 2t+1)
//
// Either way a row of A and a column of B take 32 bytes: ldmatrix fills them alike for every type.

#include <cstdint>

#include "cuda/kernel.h"

namespace tsr::TSR_BACKEND {

/// Elements along k of one matrix instruction on T: BFloat16, Float16, or float, which it reads as tf32.
template <class T>
inline constexpr int kMmaDepth = 32 / sizeof(T);

/// Which 16 bytes of a matrix in shared memory a lane points ldmatrix at: its row, and the first or second
/// half of 32 bytes of that row.
struct LaneSource {
  int row, half;
};

template <class T>
struct FragmentA {
  std::uint32_t reg[4];

  /// For ldmatrix_x4: of a matrix stored [16][k], or [k][16] with `trans`.
  static __device__ constexpr LaneSource source(int lane, bool trans = false) {
    return trans ? LaneSource{lane / 16 * 8 + lane % 8, lane / 8 % 2} : LaneSource{lane % 16, lane / 16};
  }
};

template <class T>
struct FragmentB {
  std::uint32_t reg[2];

  /// For ldmatrix_x4, which fills two neighbours along n: of a matrix stored [16][k], or [k][16] with
  /// `trans`. The first 16 lanes do for ldmatrix_x2, which fills one.
  static __device__ constexpr LaneSource source(int lane, bool trans = false) {
    return trans ? LaneSource{lane % 16, lane / 16} : LaneSource{lane / 16 * 8 + lane % 8, lane / 8 % 2};
  }
};

struct FragmentC {
  float value[4] = {};

  static __device__ constexpr int row(int lane, int i) { return lane / 4 + i / 2 * 8; }
  static __device__ constexpr int col(int lane, int i) { return lane % 4 * 2 + i % 2; }
};

}  // namespace tsr::TSR_BACKEND
