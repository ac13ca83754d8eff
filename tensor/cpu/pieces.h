#pragma once
// Walks the elements of a list of dense tensors in pieces, in parallel over all of them.

#include <algorithm>
#include <cstdint>
#include <span>

#include "tensor/context.h"
#include "tensor/parallel.h"

namespace tsr::cpu {

/// Calls body(item, begin, end) for pieces that together cover 0 … item.count()-1 of every item.
template <class Item, class Body>
void for_each_piece(Context& context, std::span<const Item> items, const Body& body) {
  constexpr std::int64_t kPiece = 1 << 14;  // elements a task: big enough to hide the hand-out
  auto* const end_of = context.workspace_of<std::int64_t>(items.size());  // in pieces
  std::int64_t pieces = 0;
  for (std::size_t i = 0; i < items.size(); ++i)
    end_of[i] = pieces += (items[i].count() + kPiece - 1) / kPiece;
  parallel_for(pieces, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t piece = first; piece < last; ++piece) {
      const auto i =
          static_cast<std::size_t>(std::upper_bound(end_of, end_of + items.size(), piece) - end_of);
      const std::int64_t begin = (piece - (i == 0 ? 0 : end_of[i - 1])) * kPiece;
      body(items[i], begin, std::min(begin + kPiece, items[i].count()));
    }
  });
}

}  // namespace tsr::cpu
