#include "tensor/cpu/epilogue.h"

#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/epilogue.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// compiled per target and so follows highway.h
#include "tensor/cpu/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void finish(const BiasResidualRelu<T>& e, const FinishedTile<T>& tile) {
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    T* const row = tile.data + tile.row_offsets[i];
    const T* const residual = e.residual == nullptr ? nullptr : e.residual + tile.place + tile.places[i];
    for_lanes<T>(tile.cols, [&](auto d, std::int64_t j) HWY_ATTR {
      auto v = hn::LoadU(d, row + j);
      if (e.bias != nullptr) v = hn::Add(v, hn::LoadU(d, e.bias + tile.col + j));
      if (residual != nullptr) v = hn::Add(v, hn::LoadU(d, residual + j));
      if (e.relu) v = hn::IfThenZeroElse(hn::Lt(v, hn::Zero(d)), v);
      hn::StoreU(v, d, row + j);
    });
  }
}

void finish_float(const void* state, const FinishedTile<float>& tile) {
  finish(*static_cast<const BiasResidualRelu<float>*>(state), tile);
}
void finish_double(const void* state, const FinishedTile<double>& tile) {
  finish(*static_cast<const BiasResidualRelu<double>*>(state), tile);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {

HWY_EXPORT(finish_float);
HWY_EXPORT(finish_double);

template <>
Epilogue<float> BiasResidualRelu<float>::epilogue() const {
  if (bias == nullptr && residual == nullptr && !relu) return {};
  return {[](const void* state, const FinishedTile<float>& tile) {
            HWY_DYNAMIC_DISPATCH(finish_float)(state, tile);
          },
          this};
}

template <>
Epilogue<double> BiasResidualRelu<double>::epilogue() const {
  if (bias == nullptr && residual == nullptr && !relu) return {};
  return {[](const void* state, const FinishedTile<double>& tile) {
            HWY_DYNAMIC_DISPATCH(finish_double)(state, tile);
          },
          this};
}

}  // namespace tsr::cpu
#endif
