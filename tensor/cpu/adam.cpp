// The step of Adam and AdamW: parameter, gradient and both moments are read once and written once.
#include "tensor/cpu/pieces.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/adam.cpp"
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
void update(std::int64_t count, T* param, const T* grad, T* exp_avg, T* exp_avg_sq, const AdamParams& p) {
  for_lanes<T>(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto constant = [&](double value) HWY_ATTR { return hn::Set(d, static_cast<T>(value)); };
    const auto old = hn::LoadU(d, param + i);
    const auto g = hn::MulAdd(constant(p.weight_decay), old, hn::LoadU(d, grad + i));
    const auto average = hn::LoadU(d, exp_avg + i);
    const auto m = hn::MulAdd(constant(1 - p.beta1), hn::Sub(g, average), average);
    const auto square = hn::Mul(constant(1 - p.beta2), hn::Mul(g, g));
    const auto v = hn::MulAdd(constant(p.beta2), hn::LoadU(d, exp_avg_sq + i), square);
    hn::StoreU(m, d, exp_avg + i);
    hn::StoreU(v, d, exp_avg_sq + i);
    const auto divisor = hn::Add(hn::Div(hn::Sqrt(v), constant(p.root)), constant(p.epsilon));
    const auto step = hn::Mul(constant(p.rate), hn::Div(m, divisor));
    hn::StoreU(hn::Sub(hn::Mul(constant(p.keep), old), step), d, param + i);
  });
}

void adam(Context& context, View first, std::span<const AdamItem> items) {
  with_real(first.dtype, [&](auto type) {
    using T = decltype(type);
    for_each_piece(context, items, [](const AdamItem& item, std::int64_t begin, std::int64_t end) {
      update(end - begin, item.param.as<T>() + begin, item.grad.as<T>() + begin, item.exp_avg.as<T>() + begin,
             item.exp_avg_sq.as<T>() + begin, item.params);
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

HWY_EXPORT(adam);

const bool registered = [] {
  for (const DType dtype : {float32, float64})
    adam_step.add(Device::cpu, dtype, [](Context& context, View first, std::span<const AdamItem> items) {
      HWY_DYNAMIC_DISPATCH(adam)(context, first, items);
    });
  return true;
}();

}  // namespace
}  // namespace tsr::cpu
#endif
