#include "tensor/cpu/depthwise_kernel.h"

#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/depthwise_kernel.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using std::int64_t;

/// Pixels that share the loads of a tap's weights.
constexpr int kPixels = 4;

/// Calls f(tag, c) for vectors that cover [0, channels): whole ones, then some of four lanes, then of one.
template <class T, class F>
HWY_INLINE void for_channels(int64_t channels, F&& f) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 4> four;
  const hn::CappedTag<T, 1> one;
  int64_t c = 0;
  for (const auto lanes = static_cast<int64_t>(hn::Lanes(d)); c + lanes <= channels; c += lanes) f(d, c);
  for (const auto lanes = static_cast<int64_t>(hn::Lanes(four)); c + lanes <= channels; c += lanes)
    f(four, c);
  for (; c < channels; ++c) f(one, c);
}

template <int kCount, class T>
HWY_INLINE void gather_pixels(const DepthwiseRun<T>& run, const T* source, const T* weight, T* target) {
  for_channels<T>(run.channels, [&](auto d, int64_t c) HWY_ATTR {
    hn::Vec<decltype(d)> sum[kCount];
#pragma GCC unroll 4
    for (int i = 0; i < kCount; ++i) sum[i] = hn::Zero(d);
    for (int64_t t = 0; t < run.tap_count; ++t) {
      const auto w = hn::LoadU(d, weight + run.taps[t].weight + c);
      const T* from = source + run.taps[t].pixel + c;
#pragma GCC unroll 4
      for (int i = 0; i < kCount; ++i)
        sum[i] = hn::MulAdd(w, hn::LoadU(d, from + i * run.source_step), sum[i]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < kCount; ++i) hn::StoreU(sum[i], d, target + i * run.target_step + c);
  });
}

template <int kCount, class T>
HWY_INLINE void accumulate_pixels(const DepthwiseRun<T>& run, const T* source, const T* target, T* sums) {
  for_channels<T>(run.channels, [&](auto d, int64_t c) HWY_ATTR {
    hn::Vec<decltype(d)> value[kCount];
#pragma GCC unroll 4
    for (int i = 0; i < kCount; ++i) value[i] = hn::LoadU(d, target + i * run.target_step + c);
    for (int64_t t = 0; t < run.tap_count; ++t) {
      T* const to = sums + run.taps[t].weight + c;
      const T* from = source + run.taps[t].pixel + c;
      auto sum = hn::LoadU(d, to);
#pragma GCC unroll 4
      for (int i = 0; i < kCount; ++i)
        sum = hn::MulAdd(value[i], hn::LoadU(d, from + i * run.source_step), sum);
      hn::StoreU(sum, d, to);
    }
  });
}

template <class T>
void gather(const DepthwiseRun<T>& run, const T* weight, T* target) {
  int64_t i = 0;
  for (; i + kPixels <= run.pixels; i += kPixels)
    gather_pixels<kPixels>(run, run.source + i * run.source_step, weight, target + i * run.target_step);
  for (; i < run.pixels; ++i)
    gather_pixels<1>(run, run.source + i * run.source_step, weight, target + i * run.target_step);
}

template <class T>
void accumulate(const DepthwiseRun<T>& run, const T* target, T* sums) {
  int64_t i = 0;
  for (; i + kPixels <= run.pixels; i += kPixels)
    accumulate_pixels<kPixels>(run, run.source + i * run.source_step, target + i * run.target_step, sums);
  for (; i < run.pixels; ++i)
    accumulate_pixels<1>(run, run.source + i * run.source_step, target + i * run.target_step, sums);
}

DepthwiseKernels<float> kernels_float() { return {gather<float>, accumulate<float>}; }
DepthwiseKernels<double> kernels_double() { return {gather<double>, accumulate<double>}; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {

HWY_EXPORT(kernels_float);
HWY_EXPORT(kernels_double);

template <>
const DepthwiseKernels<float>& depthwise_kernels<float>() {
  static const DepthwiseKernels<float> kernels = HWY_DYNAMIC_DISPATCH(kernels_float)();
  return kernels;
}

template <>
const DepthwiseKernels<double>& depthwise_kernels<double>() {
  static const DepthwiseKernels<double> kernels = HWY_DYNAMIC_DISPATCH(kernels_double)();
  return kernels;
}

}  // namespace tsr::cpu
#endif
