// The step of stochastic gradient descent: parameter, gradient and momentum are read once and written once.
#include "tensor/cpu/pieces.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/sgd.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// compiled per target and so follows highway.h
#include "tensor/cpu/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

/// `buffer` is null where there is no momentum.
template <class T>
void update(std::int64_t count, T* param, const T* grad, T* buffer, const SgdParams& p) {
  for_lanes<T>(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto old = hn::LoadU(d, param + i);
    const auto decayed = hn::MulAdd(hn::Set(d, static_cast<T>(p.weight_decay)), old, hn::LoadU(d, grad + i));
    const auto scaled = hn::Mul(hn::Set(d, static_cast<T>(p.scale)), decayed);
    auto step = scaled;
    if (buffer != nullptr) {
      const auto momentum = hn::Set(d, static_cast<T>(p.momentum));
      step = hn::MulAdd(momentum, hn::LoadU(d, buffer + i), scaled);
      hn::StoreU(step, d, buffer + i);
      if (p.nesterov) step = hn::MulAdd(momentum, step, scaled);
    }
    hn::StoreU(hn::NegMulAdd(hn::Set(d, static_cast<T>(p.learning_rate)), step, old), d, param + i);
  });
}

void sgd(Context& context, View first, std::span<const SgdItem> items) {
  with_real(first.dtype, [&](auto type) {
    using T = decltype(type);
    for_each_piece(context, items, [](const SgdItem& item, std::int64_t begin, std::int64_t end) {
      T* const velocity = item.buffer.data == nullptr ? nullptr : item.buffer.as<T>() + begin;
      update(end - begin, item.param.as<T>() + begin, item.grad.as<T>() + begin, velocity, item.params);
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

HWY_EXPORT(sgd);

const bool registered = [] {
  for (const DType dtype : {float32, float64})
    sgd_step.add(Device::cpu, dtype, [](Context& context, View first, std::span<const SgdItem> items) {
      HWY_DYNAMIC_DISPATCH(sgd)(context, first, items);
    });
  return true;
}();

}  // namespace
}  // namespace tsr::cpu
#endif
