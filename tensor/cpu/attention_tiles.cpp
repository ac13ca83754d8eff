#include "tensor/cpu/attention_tiles.h"

#include "tensor/cpu/amx.h"

namespace tsr::cpu {

using std::int64_t;

Units::Units(Context& context, const TileKernels<float>& kernels, int64_t extent, int64_t depth)
    : form_(kernels.form),
      step_(form_->room(depth)),
      data_(context.workspace_of<float>(static_cast<std::size_t>(ceil_div(extent, kStrip) * step_))) {}

void Units::take_rows(const StridedMatrix<float>& a, int64_t rows, int64_t depth, int64_t strip,
                      int64_t unit) {
  for (int64_t row = 0; row < rows; row += kStrip)
    form_->rows(
        {a.data + row * a.row_stride, a.row_stride, a.col_stride, std::min(kStrip, rows - row), 0, depth},
        at(strip + row / kStrip, unit));
}

void Units::take_panels(const StridedMatrix<float>& b, int64_t depth, int64_t cols, int64_t strip,
                        int64_t unit, float* scratch) {
  const OperandB<float> packer = strided_b(b);
  for (int64_t col = 0; col < cols; col += kStrip) {
    const int64_t count = std::min(kStrip, cols - col), width = ceil_div(count, kTileRows) * kTileRows;
    const Panel<float> packed = packer.pack(packer.state, {.batch = 0,
                                                           .depth_begin = 0,
                                                           .depth = depth,
                                                           .col = col,
                                                           .cols = count,
                                                           .width = width,
                                                           .buffer = scratch,
                                                           .read_once = true});
    form_->panel(packed.data, packed.depth_step, depth, count, width, at(strip + col / kStrip, unit));
  }
}

void UnitProduct::run(const TileKernels<float>& kernels, Meanwhile* meanwhile) const {
  int64_t places[kStrip];
  for (int64_t i = 0; i < kStrip; ++i) places[i] = i * c.stride;
  TileArgs<float> args{};
  args.depth = units * kStrip, args.c_rows = places, args.c_step = c.stride;
  args.accumulate = accumulate, args.meanwhile = meanwhile;
  for (int64_t col = 0; col < cols; col += kStrip) {
    args.b = b.data + col / kStrip * b.step, args.cols = std::min(kStrip, cols - col);
    for (int64_t row = 0; row < rows; row += kStrip) {
      args.a = a.data + row / kStrip * a.step, args.rows = std::min(kStrip, rows - row);
      args.c = c.row(row) + col;
      kernels.at(args.cols > kTileRows ? 2 : 1, args.rows)(args);
    }
  }
}

int64_t UnitProduct::slots(const TileKernels<float>& kernels) const {
  return ceil_div(rows, kStrip) * ceil_div(cols, kStrip) * units * kernels.slots;
}

template <>
const TileKernels<float>* attention_tiles<float>(const AttentionOperands& x) {
  // Short sequences end in parts of tiles, and there are few products for each number that is formed.
  const int64_t shorter = std::min(x.n(), x.m());
  if (shorter < 96 || shorter * x.d() < 128 * 64) return nullptr;
  const TileKernels<float>& kernels = tile_kernels<float>(x.n(), x.m(), x.d());
  return kernels.form ? &kernels : nullptr;
}
template <>
const TileKernels<float>* attention_tiles<double>(const AttentionOperands& /*x*/) {
  return nullptr;
}

}  // namespace tsr::cpu
