#include "tensor/cpu/attention_tiles.h"

#include "tensor/parallel.h"

namespace tsr::cpu {

using std::int64_t;

Units::Units(Context& context, const TileKernels<float>& kernels, Side side, int64_t extent, int64_t depth)
    : form_(kernels.form),
      side_(side),
      step_(form_->room(depth)),
      data_(context.workspace_of<float>(static_cast<std::size_t>(ceil_div(extent, kStrip) * step_))) {}

void Units::take(const DenseRows<const float>& x, int64_t rows, int64_t cols, bool turned,
                 float factor) const {
  const bool strips_of_rows = (side_ == Side::left) != turned;
  for (int64_t row = 0; row < rows; row += kStrip) {
    for (int64_t col = 0; col < cols; col += kStrip) {
      const int64_t i = row / kStrip, j = col / kStrip;
      form_unit({.side = side_,
                 .turned = turned,
                 .x = x.row(row) + col,
                 .stride = x.stride,
                 .rows = std::min(kStrip, rows - row),
                 .cols = std::min(kStrip, cols - col),
                 .factor = factor,
                 .to = strips_of_rows ? at(i, j) : at(j, i)});
    }
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

namespace {

/// for_pieces, but that a short last piece joins the one before.
template <class F>
void for_longer_pieces(Range range, Itinerary::PieceSize size, F&& f) {
  for (int64_t begin = range.begin, end = 0; begin < range.end; begin = end) {
    end = range.end - begin <= size.most ? range.end : begin + size.usual;
    f(Range{begin, end});
  }
}

}  // namespace

Itinerary::Itinerary(const AttentionOperands& x, const AttentionParams& params,
                     std::span<const TilePart> parts, int64_t block, PieceSize piece)
    : parts_(parts) {
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const std::size_t before = visits_.size();
    for_pieces(parts[part].keys, block, [&](Range keys) {
      const bool first = keys.begin == parts[part].keys.begin;
      visit(x, params, {static_cast<int64_t>(part), keys, first}, parts[part].queries, piece);
    });
    if (visits_.size() > before) visits_.back().ends_part = true;
  }
}

void Itinerary::visit(const AttentionOperands& x, const AttentionParams& params, const Block& block,
                      Range all, PieceSize piece) {
  const auto index = static_cast<int64_t>(blocks_.size());
  int64_t visits = 0;
  for_longer_pieces(all, piece, [&](Range queries) {
    if (visible_keys(x, params, block.keys, queries.end - 1) > 0) {
      visits_.push_back({index, queries, visits++ == 0, false, false});
    } else {
      blind_.push_back({block.part, block.keys, queries, block.first});
    }
  });
  if (visits == 0) {
    unseen_.push_back({block.part, block.keys, all, block.first});
  } else {
    visits_.back().last = true;
    blocks_.push_back(block);
  }
}

int64_t parts_together(int64_t parts) { return std::clamp<int64_t>(parts / (3 * thread_count()), 1, 8); }

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
