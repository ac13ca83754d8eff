// What the two passes of attention share: where a head's matrices lie, how they are cut into blocks, products
// of blocks, and what a query sees.
#pragma once

#include <algorithm>
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

/// Rows of a left operand as the kernels read them: where they are, or formed in the context's workspace.
template <class T>
class LeftRows {
 public:
  LeftRows(Context& context, const TileKernels<T>& kernels, std::int64_t most_rows, std::int64_t most_depth)
      : kernels_(&kernels),
        formed_(kernels.form ? context.workspace_of<T>(static_cast<std::size_t>(
                                   ceil_div(most_rows, kernels.rows_max) * kernels.form->room(most_depth)))
                             : nullptr) {}

  /// Becomes a, [rows, depth].
  void take(const DenseRows<const T>& a, std::int64_t rows, std::int64_t depth) {
    take(StridedMatrix<T>{a.data, a.stride, 1}, rows, depth);
  }
  /// Becomes aᵀ: a is [depth, rows].
  void take_transposed(const DenseRows<const T>& a, std::int64_t rows, std::int64_t depth) {
    take(StridedMatrix<T>{a.data, 1, a.stride}, rows, depth);
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t height() const { return height_; }  ///< of a tile
  /// Points args at the tile that begins at `row`.
  void choose(std::int64_t row, TileArgs<T>& args) const {
    args.rows = std::min(height_, rows_ - row);
    args.depth = depth_;
    args.a = first_.data + row / height_ * tile_step_;
    args.row_step = first_.row_stride;
    args.depth_step = first_.col_stride;
  }

 private:
  void take(const StridedMatrix<T>& a, std::int64_t rows, std::int64_t depth) {
    first_ = a, rows_ = rows, depth_ = depth, height_ = kernels_->height(rows);
    tile_step_ = height_ * a.row_stride;
    if (!kernels_->form) return;
    const TileForm<T>& form = *kernels_->form;
    for (std::int64_t row = 0, i = 0; row < rows; row += height_, ++i)
      form.rows(
          {a.data + row * a.row_stride, a.row_stride, a.col_stride, std::min(height_, rows - row), 0, depth},
          formed_ + i * form.room(depth));
    first_.data = formed_, tile_step_ = form.room(depth), depth_ = form.units(depth) * form.depths;
  }

  const TileKernels<T>* kernels_;
  T* formed_;
  StridedMatrix<T> first_{};
  std::int64_t rows_ = 0, depth_ = 0, height_ = 1, tile_step_ = 0;
};

/// A block of a matrix in the layout that the tile kernels read, in the context's workspace.
template <class T>
class Panels {
 public:
  Panels(Context& context, const TileKernels<T>& kernels, std::int64_t most_depth, std::int64_t most_cols)
      : kernels_(kernels),
        width_(kernels.panel_width()),
        size_(kernels.panel_size(most_depth)),
        data_(context.workspace_of<T>(static_cast<std::size_t>(size_ * ceil_div(most_cols, width_)))),
        packed_(kernels.form ? context.workspace_of<T>(static_cast<std::size_t>(most_depth * width_))
                             : nullptr) {}

  /// Becomes `matrix`, [depth, cols].
  void pack(const StridedMatrix<T>& matrix, std::int64_t depth, std::int64_t cols) {
    cols_ = cols;
    const OperandB<T> packer = strided_b(matrix);
    for (std::int64_t p = 0; p * width_ < cols; ++p) {
      T* panel = data_ + p * size_;
      const std::int64_t width = vectors(p) * kernels_.lanes, count = std::min(width_, cols - p * width_);
      const Panel<T> packed = packer.pack(packer.state, {.batch = 0,
                                                         .depth_begin = 0,
                                                         .depth = depth,
                                                         .col = p * width_,
                                                         .cols = count,
                                                         .width = width,
                                                         .buffer = packed_ ? packed_ : panel,
                                                         .read_once = packed_ != nullptr});
      if (packed_) kernels_.form->panel(packed.data, packed.depth_step, depth, count, width, panel);
    }
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
    std::int64_t places[kMaxTileRows];
    for (std::int64_t i = 0; i < a.height(); ++i) places[i] = i * c.stride;
    TileArgs<T> args{};
    args.c_rows = places, args.c_step = c.stride, args.accumulate = accumulate;
    for (std::int64_t p = 0; p * width_ < cols_; ++p) {
      args.b = data_ + p * size_, args.cols = std::min(width_, cols_ - p * width_);
      for (std::int64_t row = 0; row < a.rows(); row += a.height()) {
        a.choose(row, args);
        args.c = c.row(row) + p * width_;
        kernels_.at(vectors(p), args.rows)(args);
      }
    }
  }

 private:
  int vectors(std::int64_t panel) const { return cols_ - panel * width_ > kernels_.lanes ? 2 : 1; }

  const TileKernels<T>& kernels_;
  std::int64_t width_, size_;
  T *data_, *packed_;
  std::int64_t cols_ = 0;
};

/// The views of attention_fwd that scores come from.
struct AttentionOperands {
  View q, k, v, bias, key_mask;

  std::int64_t heads() const { return q.size[0] * q.size[1]; }  ///< of all the batch
  std::int64_t n() const { return q.size[2]; }
  std::int64_t m() const { return k.size[2]; }
  std::int64_t d() const { return q.size[3]; }
  /// What the products of a head run on. Blocks of short sequences end in parts of tiles, and there are few
  /// products for each number: below 256 it isn't worth while to form them.
  template <class T>
  const TileKernels<T>& kernels() const {
    return std::min(n(), m()) < 256 ? tile_kernels<T>() : tile_kernels<T>(n(), m(), d());
  }
  /// The matrix of head `index` of all.
  template <class T>
  static DenseRows<T> head(const View& x, std::int64_t index) {
    return {
        x.as<std::remove_const_t<T>>() + index / x.size[1] * x.stride[0] + index % x.size[1] * x.stride[1],
        x.stride[2]};
  }
};

/// The scores of one head, a block of keys at a time: what is added to a row of products, and what dropout
/// does to the weights.
template <class T>
class Scores {
 public:
  /// For blocks of at most `most_keys` keys of head `head` of all. The operands outlive this.
  Scores(Context& context, const AttentionOperands& operands, const AttentionParams& params,
         std::int64_t head, std::int64_t most_keys);

  void choose_keys(Range keys);
  std::int64_t count() const { return keys_.size(); }  ///< of the block's keys
  /// Keys of the block that query i sees: the first so many.
  std::int64_t visible(std::int64_t query) const;
  /// The row of query i, whose products are in `products`. Valid until the next call.
  ScoreRow<T> row(std::int64_t query, T* products);

 private:
  void add_bias(std::int64_t query, std::int64_t visible);
  void draw_dropout(std::int64_t query);

  const AttentionOperands& operands_;
  const AttentionParams& params_;
  std::int64_t head_;
  Range keys_{0, 0};
  T *hidden_ = nullptr, *added_ = nullptr, *kept_ = nullptr;
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
