// What the two passes of attention share: where a head's matrices lie, how they are cut into blocks, products
// of blocks, and what a query sees.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tensor/context.h"
#include "tensor/cpu/attention_rows.h"
#include "tensor/cpu/gemm.h"
#include "tensor/cpu/gemm_plan.h"
#include "tensor/kernels.h"

namespace tsr::cpu {

/// A matrix with dense rows.
template <class T>
struct DenseRows {
  T* data = nullptr;
  std::int64_t stride = 0;
  T* row(std::int64_t i) const { return data + i * stride; }
  DenseRows from(std::int64_t i) const { return {row(i), stride}; }
  operator DenseRows<const T>() const requires(!std::is_const_v<T>) { return {data, stride}; }
};

/// to [rows, d] = x·factor, dense.
template <class T>
void scale_rows(const DenseRows<const T>& x, std::int64_t rows, std::int64_t d, T factor, T* to) {
  const auto scale = attention_rows<T>().scale;
  if (x.stride == d) return scale(x.data, rows * d, factor, to);
  for (std::int64_t i = 0; i < rows; ++i) scale(x.row(i), d, factor, to + i * d);
}

/// Rows of a left operand where they are.
template <class T>
struct LeftRows {
  StridedMatrix<T> matrix;
  std::int64_t rows, depth;

  /// a, [rows, depth].
  static LeftRows of(const DenseRows<const T>& a, std::int64_t rows, std::int64_t depth) {
    return {{a.data, a.stride, 1}, rows, depth};
  }
  /// aᵀ: a is [depth, rows].
  static LeftRows transposed(const DenseRows<const T>& a, std::int64_t rows, std::int64_t depth) {
    return {{a.data, 1, a.stride}, rows, depth};
  }
};

/// A block of a matrix in the layout that the tile kernels read, in the context's workspace.
template <class T>
class Panels {
 public:
  Panels(Context& context, std::int64_t most_depth, std::int64_t most_cols)
      : width_(kernels_.panel_width()),
        size_(kernels_.panel_size(most_depth)),
        data_(context.workspace_of<T>(static_cast<std::size_t>(size_ * ceil_div(most_cols, width_)))) {}

  /// Becomes `matrix`, [depth, cols].
  void pack(const StridedMatrix<T>& matrix, std::int64_t depth, std::int64_t cols) {
    cols_ = cols;
    const OperandB<T> packer = strided_b(matrix);
    for (std::int64_t p = 0; p * width_ < cols; ++p)
      packer.pack(packer.state, {.batch = 0,
                                 .depth_begin = 0,
                                 .depth = depth,
                                 .col = p * width_,
                                 .cols = std::min(width_, cols - p * width_),
                                 .width = vectors(p) * kernels_.lanes,
                                 .buffer = data_ + p * size_,
                                 .read_once = false});
  }
  void pack(const DenseRows<const T>& x, std::int64_t depth, std::int64_t cols) {
    pack(StridedMatrix<T>{x.data, x.stride, 1}, depth, cols);
  }
  /// Becomes xᵀ: x is [cols, depth].
  void pack_transposed(const DenseRows<const T>& x, std::int64_t depth, std::int64_t cols) {
    pack(StridedMatrix<T>{x.data, 1, x.stride}, depth, cols);
  }

  /// c [a's rows, cols] = a·this, or +=.
  void multiply(const LeftRows<T>& a, const DenseRows<T>& c, bool accumulate) const {
    const std::int64_t height = kernels_.height(a.rows);
    std::int64_t places[kMaxTileRows];
    for (std::int64_t i = 0; i < height; ++i) places[i] = i * c.stride;
    TileArgs<T> args{};
    args.depth = a.depth, args.row_step = a.matrix.row_stride, args.depth_step = a.matrix.col_stride;
    args.c_rows = places, args.c_step = c.stride, args.accumulate = accumulate;
    for (std::int64_t p = 0; p * width_ < cols_; ++p) {
      args.b = data_ + p * size_, args.cols = std::min(width_, cols_ - p * width_);
      for (std::int64_t row = 0; row < a.rows; row += height) {
        args.rows = std::min(height, a.rows - row);
        args.a = a.matrix.data + row * a.matrix.row_stride;
        args.c = c.row(row) + p * width_;
        kernels_.at(vectors(p), args.rows)(args);
      }
    }
  }

 private:
  int vectors(std::int64_t panel) const { return cols_ - panel * width_ > kernels_.lanes ? 2 : 1; }

  const TileKernels<T>& kernels_ = tile_kernels<T>();
  std::int64_t width_, size_;
  T* data_;
  std::int64_t cols_ = 0;
};

/// The views of attention_fwd that scores come from.
struct AttentionOperands {
  View q, k, v, bias, key_mask;

  std::int64_t heads() const { return q.size[0] * q.size[1]; }  ///< of all the batch
  std::int64_t n() const { return q.size[2]; }
  std::int64_t m() const { return k.size[2]; }
  std::int64_t d() const { return q.size[3]; }
  /// The matrix of head `index` of all.
  template <class T>
  static DenseRows<T> head(const View& x, std::int64_t index) {
    return {
        x.as<std::remove_const_t<T>>() + index / x.size[1] * x.stride[0] + index % x.size[1] * x.stride[1],
        x.stride[2]};
  }
};

/// Of `keys`, how many query i sees: the first so many.
inline std::int64_t visible_keys(const AttentionOperands& x, const AttentionParams& params, Range keys,
                                 std::int64_t query) {
  if (!params.causal) return keys.size();
  return std::clamp<std::int64_t>(query + x.m() - x.n() + 1 - keys.begin, 0, keys.size());
}

/// Scores, a block of a head's keys at a time: what is added to a row of products, and what dropout does to
/// the weights.
template <class T>
class Scores {
 public:
  /// For blocks of at most `most_keys` keys. The operands outlive this.
  Scores(Context& context, const AttentionOperands& operands, const AttentionParams& params,
         std::int64_t most_keys);

  /// A block of head `head` of all.
  void choose_keys(std::int64_t head, Range keys);
  std::int64_t count() const { return keys_.size(); }  ///< of the block's keys
  /// Keys of the block that query i sees: the first so many.
  std::int64_t visible(std::int64_t query) const { return visible_keys(operands_, params_, keys_, query); }
  /// The row of query i, whose products are in `products`. Valid until the next call.
  ScoreRow<T> row(std::int64_t query, T* products);

 private:
  void add_bias(std::int64_t query, std::int64_t visible);
  void draw_dropout(std::int64_t query);

  const AttentionOperands& operands_;
  const AttentionParams& params_;
  std::int64_t head_ = 0;
  Range keys_{0, 0};
  T *hidden_ = nullptr, *added_ = nullptr, *kept_ = nullptr;
};

/// What attention_fwd makes.
struct AttentionResults {
  View y, top, log_sum;

  /// Stores a row, of which `sum` is the sum of weighted values, where it belongs or already there.
  template <class T>
  void store(std::int64_t head, std::int64_t query, const T* sum, const OnlineSoftmax<T>& state) const {
    const T scale = state.sum == 0 ? T(0) : 1 / state.sum;  // a query that sees nothing
    attention_rows<T>().scale(sum, y.size[3], scale, AttentionOperands::head<T>(y, head).row(query));
    const std::int64_t row = head * y.size[2] + query;
    top.as<T>()[row] = state.top;
    log_sum.as<T>()[row] = state.sum == 0 ? T(0) : std::log(state.sum);
  }
};

/// Calls f(piece) for consecutive pieces of `range` of at most `size`.
template <class F>
void for_pieces(Range range, std::int64_t size, F&& f) {
  for (std::int64_t begin = range.begin; begin < range.end; begin += size)
    f(Range{begin, std::min(range.end, begin + size)});
}

/// An extent cut into parts of nearly equal length, multiples of `unit` but for the last.
struct Parts {
  std::int64_t extent, length;
  Parts(std::int64_t extent, std::int64_t count, std::int64_t unit)
      : extent(extent), length(std::max(unit, ceil_div(ceil_div(extent, count), unit) * unit)) {}
  std::int64_t count() const { return std::max<std::int64_t>(1, ceil_div(extent, length)); }
  Range at(std::int64_t index) const { return {index * length, std::min(extent, (index + 1) * length)}; }
};

/// Tasks that a machine has use for: fewer heads than that are cut into parts. By the shape alone, never by
/// the number of threads.
inline constexpr std::int64_t kWantedTasks = 16;

/// A block's rows of scores begin so many elements apart: whole vectors of any instruction set.
constexpr std::int64_t padded(std::int64_t keys) { return ceil_div(keys, 16) * 16; }

}  // namespace tsr::cpu
