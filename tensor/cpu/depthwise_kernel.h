// The inner loops of a depthwise convolution, over pixels that see the same taps.
#pragma once

#include <cstdint>

namespace tsr::cpu {

/// Where a tap's pixel and its weights begin, in elements.
struct TapOffset {
  std::int64_t pixel, weight;
};

/// `pixels` pixels of a row, each with the same taps; all with `channels` dense channels. Pixel i of the
/// target lies at i·target_step, and tap t of it at source + taps[t].pixel + i·source_step.
template <class T>
struct DepthwiseRun {
  const TapOffset* taps;
  std::int64_t tap_count, pixels, channels, source_step, target_step;
  const T* source;
};

template <class T>
struct DepthwiseKernels {
  /// target[i, c] = Σ_t weight[taps[t].weight + c] · source pixel of (t, i), channel c.
  void (*gather)(const DepthwiseRun<T>&, const T* weight, T* target);
  /// sums[taps[t].weight + c] += Σ_i target[i, c] · source pixel of (t, i), channel c.
  void (*accumulate)(const DepthwiseRun<T>&, const T* target, T* sums);
};

/// The kernels for this machine; T is float or double.
template <class T>
const DepthwiseKernels<T>& depthwise_kernels();

}  // namespace tsr::cpu
