// The moving average of weights: both are read once, the target is written once.
#include "tensor/cpu/pieces.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/ema.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// compiled per target and so follows highway.h
#include "tensor/cpu/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

void ema(Context& context, View first, std::span<const EmaItem> items) {
  with_real(first.dtype, [&](auto type) {
    using T = decltype(type);
    for_each_piece(context, items, [](const EmaItem& item, std::int64_t begin, std::int64_t end) HWY_ATTR {
      T* const to = item.target.as<T>() + begin;
      const T* const from = item.source.as<T>() + begin;
      const double momentum = item.momentum;
      for_lanes<T>(end - begin, [&](auto d, std::int64_t i) HWY_ATTR {
        const auto added = hn::Mul(hn::Set(d, static_cast<T>(1 - momentum)), hn::LoadU(d, from + i));
        hn::StoreU(hn::MulAdd(hn::Set(d, static_cast<T>(momentum)), hn::LoadU(d, to + i), added), d, to + i);
      });
    });
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {
namespace {

HWY_EXPORT(ema);

const bool registered = [] {
  for (const DType dtype : {float32, float64})
    ema_step.add(Device::cpu, dtype, [](Context& context, View first, std::span<const EmaItem> items) {
      HWY_DYNAMIC_DISPATCH(ema)(context, first, items);
    });
  return true;
}();

}  // namespace
}  // namespace tsr::cpu
#endif
