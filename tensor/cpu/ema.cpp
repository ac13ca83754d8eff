// The moving average of weights: both are read once, the target is written once.
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/ema.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// compiled per target and so follows highway.h
#include "tensor/cpu/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

void ema(View target, View source, double momentum) {
  constexpr std::int64_t kGrain = 1 << 14;  // elements a task: big enough to hide the hand-out
  with_real(target.dtype, [&](auto type) {
    using T = decltype(type);
    parallel_for(target.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      T* const to = target.as<T>() + begin;
      const T* const from = source.as<T>() + begin;
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
    ema_step.add(Device::cpu, dtype, [](Context&, View target, View source, double momentum) {
      HWY_DYNAMIC_DISPATCH(ema)(target, source, momentum);
    });
  return true;
}();

}  // namespace
}  // namespace tsr::cpu
#endif
