// Packing a block of A by columns, compiled for each instruction set.
#if defined(TESSERA_TENSOR_CPU_COLUMNS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_TENSOR_CPU_COLUMNS_INL_H_
#undef TESSERA_TENSOR_CPU_COLUMNS_INL_H_
#else
#define TESSERA_TENSOR_CPU_COLUMNS_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tensor/cpu/convert-inl.h"
#include "tensor/cpu/copy-inl.h"
#include "tensor/cpu/gemm.h"
#include "tensor/cpu/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {

/// Column k of the block that block_of_columns describes = from[0, rows). Columns rise from call to call:
/// whole vectors are stored, and what they leave behind a tile's rows is the next column's.
template <class S, class T>
HWY_INLINE void copy_column(const S* HWY_RESTRICT from, const BlockRequest<T>& r, std::int64_t k) {
  if constexpr (std::is_same_v<S, T>) {
    namespace hn = hwy::HWY_NAMESPACE;
    const hn::ScalableTag<T> d;
    constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
    const std::int64_t step = block_of_columns(r).tile_step, reach = r.rows - kLanes;
    T* to = r.buffer + k * r.tile_rows;
    for (std::int64_t row = 0; row < r.rows; row += r.tile_rows, to += step) {
      const std::int64_t end = std::min(r.rows, row + r.tile_rows);
      std::int64_t i = row;
      for (; i < end && i <= reach; i += kLanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i - row);
      for (; i < end; ++i) to[i - row] = from[i];
    }
  } else {
    HWY_ALIGN T widened[kRowTiles * kMaxTileRows];
    copy_run(from, r.rows, widened);
    copy_column(static_cast<const T*>(widened), r, k);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#endif
