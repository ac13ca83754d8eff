// The packed, blocked, multi-threaded matrix product that matmul and convolution share.
//
// Blocking follows Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008).
// Operands arrive through packers and results leave through epilogues: function pointers called once a block,
// so that a convolution's patches or a fused activation need no code in here and no buffer in memory.
#pragma once

#include <cstdint>

#include "tensor/cpu/gemm_kernel.h"
#include "tensor/dtype.h"

namespace tsr::cpu {

inline constexpr std::int64_t kTileGap = 16;  ///< elements: the longest vector

/// What a packer of A is asked for: rows [row, row + rows) by depths [depth_begin, depth_begin + depth).
template <class T>
struct BlockRequest {
  std::int64_t batch, row, rows, depth_begin, depth;
  T* buffer;                ///< room for the block by either function below, 64-byte aligned
  std::int64_t tile_rows;   ///< rows that are multiplied at once; the last tile may have fewer
  std::int64_t row_stride;  ///< from row to row of a buffer that is filled by rows
  bool read_once;           ///< a copy is not worth its time where the operand can be read as it lies
};

/// What a packer of A answers: the block, in the buffer or, without a copy, in the operand itself. Element
/// (i, k) of tile t is data[t·tile_step + i·row_step + k·depth_step].
template <class T>
struct Block2d {
  const T* data;  ///< null: the block is zero, and the product skips it
  std::int64_t row_step = 0, depth_step = 0, tile_step = 0;
  /// Depths at either end that are zero for all rows, and left out: data begins after the first of them.
  std::int64_t skip_front = 0, skip_back = 0;
};

/// The block of a buffer that was filled by rows.
template <class T>
Block2d<T> block_of_rows(const BlockRequest<T>& r) {
  return {r.buffer, r.row_stride, 1, r.tile_rows * r.row_stride};
}

/// The block of a buffer that was filled by columns: tile by tile, so that a product reads it from one end to
/// the other, with a gap after each that a vector store may reach into.
template <class T>
Block2d<T> block_of_columns(const BlockRequest<T>& r) {
  return {r.buffer, 1, r.tile_rows, r.tile_rows * r.depth + kTileGap};
}

/// What a packer of B is asked for: depths [depth_begin, depth_begin + depth) by columns [col, col + cols),
/// to be written as buffer[k·width + j]; columns from `cols` to `width` may hold anything finite.
template <class T>
struct PanelRequest {
  std::int64_t batch, depth_begin, depth, col, cols, width;
  T* buffer;
  bool read_once;  ///< as a BlockRequest's, where `width` columns are there to be read
};

/// What a packer of B answers: element (k, j) is data[k·depth_step + j], in the buffer or in the operand.
template <class T>
struct Panel {
  const T* data = nullptr;  ///< null: the panel is zero
  std::int64_t depth_step = 0;
};

template <class T>
struct OperandA {
  Block2d<T> (*pack)(const void* state, const BlockRequest<T>&);
  const void* state;
};

template <class T>
struct OperandB {
  Panel<T> (*pack)(const void* state, const PanelRequest<T>&);
  const void* state;
  bool same_for_all_batches = false;
};

/// A finished block of C: element (i, j) of it is data[row_offsets[i] + j], row + i and col + j in C, and
/// lies `place + places[i] + j` elements from C's first.
template <class T>
struct FinishedTile {
  T* data;
  const std::int64_t* row_offsets;
  std::int64_t batch, row, rows, col, cols;
  std::int64_t place;
  const std::int64_t* places;
};

/// Called once for each block of C while it is in cache, from many threads, each element exactly once.
template <class T>
struct Epilogue {
  void (*apply)(const void* state, const FinishedTile<T>&) = nullptr;
  const void* state = nullptr;
};

/// C, whose rows are contiguous: row i of matrix b begins at element b·batch_stride + (offsets ? offsets(i) :
/// i·row_stride).
template <class T>
struct Output {
  T* data;                  ///< null when `rounded` is given
  void* rounded = nullptr;  ///< C of another type: sums stay in T, and `round` stores each row of a finished
                            ///< block once, at element `first` of it
  void (*round)(const T* from, std::int64_t count, void* rounded, std::int64_t first) = nullptr;
  std::int64_t row_stride = 0;
  std::int64_t batch_stride = 0;
  void (*offsets)(const void* state, std::int64_t row, std::int64_t rows, std::int64_t* result) = nullptr;
  const void* state = nullptr;
};

/// C[m, n] = A[m, k] · B[k, n] for each of `batch` matrices.
template <class T>
struct Gemm {
  std::int64_t batch = 1, m, n, k;
  OperandA<T> a;
  OperandB<T> b;
  Output<T> c;
  bool accumulate = false;  ///< C += A · B; not for a rounded C
  Epilogue<T> epilogue = {};
  /// Blocks of rows (of depth) never straddle a multiple of these, so that a packer can tell a block that is
  /// zero; 0 means one group.
  std::int64_t row_group = 0, depth_group = 0;
};

/// Runs it on parallel_for. The bits depend on the shape and the instruction set, not on the thread count.
/// T is float or double; every size may be 0.
template <class T>
void gemm(const Gemm<T>& problem);

/// Where a product of operands of type S goes: S is T, or a 16-bit type that T is rounded to.
template <class S>
Output<Compute<S>> output(S* data);

/// A matrix in memory with any strides, in elements: the plain packers' state. 16-bit elements are widened as
/// they are packed.
template <class S>
struct StridedMatrix {
  const S* data;
  std::int64_t row_stride, col_stride, batch_stride = 0;
};

/// The operand must outlive the call of gemm.
template <class S>
OperandA<Compute<S>> strided_a(const StridedMatrix<S>& matrix);
template <class S>
OperandB<Compute<S>> strided_b(const StridedMatrix<S>& matrix);

}  // namespace tsr::cpu
