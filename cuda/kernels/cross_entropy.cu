// Cross-entropy of rows of logits with labels, a block a row. Safe: exponents are of differences from the
// row's maximum.

#include "cuda/mixed.h"
#include "cuda/rows.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

/// The target of a row: t_c = sharp·[c = label] + flat·w_c.
template <class T>
struct Targets {
  const std::int64_t* labels;
  MixedIn<T> class_weight;
  std::int64_t ignored;
  double smoothing, flat;

  Targets(const View& labels, const View& class_weight, std::int64_t classes,
          const CrossEntropyParams& params)
      : labels(labels.as<std::int64_t>()),
        class_weight(class_weight),
        ignored(params.ignored),
        smoothing(params.smoothing),
        flat(params.smoothing / static_cast<double>(classes)) {}

  __device__ float weight(std::int64_t c) const { return class_weight.present() ? class_weight[c] : 1; }
  __device__ double sharp(std::int64_t label) const { return (1 - smoothing) * weight(label); }
  /// Σ w of what smoothing spreads over; 0 without smoothing. All threads of the block call it.
  __device__ double weight_sum(std::int64_t classes) const {
    if (flat == 0) return 0;
    return reduce_over<double>(classes, Sum{}, [&](std::int64_t c) { return weight(c); });
  }
};

template <class T>
__global__ void cross_entropy_kernel(Rows rows, Targets<T> targets, const T* logits, MixedOut<T> loss,
                                     MixedOut<T> top, MixedOut<T> log_sum) {
  const T* row = logits + rows.offset(blockIdx.x);
  const std::int64_t label = targets.labels[blockIdx.x];
  double largest = 0, log_total = 0, total = 0;
  if (label != targets.ignored) {
    const float most = reduce_over(rows.n, Max{}, [&](std::int64_t i) { return widen(row[i]); });
    largest = most;
    if (!isinf(most) && !isnan(most))
      log_total = log(static_cast<double>(reduce_over<Accumulator<T>>(
          rows.n, Sum{}, [&](std::int64_t i) { return expf(widen(row[i]) - most); })));
    total = targets.sharp(label) * (largest - widen(row[label]) + log_total);
    if (targets.flat > 0) {
      const double apart = reduce_over<double>(
          rows.n, Sum{}, [&](std::int64_t i) { return targets.weight(i) * (largest - widen(row[i])); });
      total += targets.flat * (apart + log_total * targets.weight_sum(rows.n));
    }
  }
  if (threadIdx.x != 0) return;
  loss.set(blockIdx.x, static_cast<float>(total));
  top.set(blockIdx.x, static_cast<float>(largest));
  log_sum.set(blockIdx.x, static_cast<float>(log_total));
}

template <class T>
__global__ void cross_entropy_bwd_kernel(Rows rows, Targets<T> targets, MixedIn<T> grad, const T* logits,
                                         MixedIn<T> top, MixedIn<T> log_sum, T* grad_logits) {
  const T* row = logits + rows.offset(blockIdx.x);
  const std::int64_t label = targets.labels[blockIdx.x];
  const bool ignored = label == targets.ignored;
  const double slope = grad[blockIdx.x], sharp = ignored ? 0 : targets.sharp(label);
  const double sum = sharp + targets.flat * targets.weight_sum(rows.n);
  const auto all = static_cast<float>(slope * sum), flat = static_cast<float>(slope * targets.flat),
             own = static_cast<float>(slope * sharp);
  const float largest = top[blockIdx.x], log_total = log_sum[blockIdx.x];
  for (std::int64_t i = threadIdx.x; i < rows.n; i += blockDim.x) {
    float value = 0;
    if (!ignored) {
      value = expf(widen(row[i]) - largest - log_total) * all - flat * targets.weight(i);
      if (i == label) value -= own;
    }
    grad_logits[blockIdx.x * rows.n + i] = narrow<T>(value);
  }
}

template <class T>
void cross_entropy_forward(Context&, View logits, View labels, View class_weight, View loss, View top,
                           View log_sum, const CrossEntropyParams& params) {
  launch_rows<cross_entropy_kernel<T>>(Rows(logits), Targets<T>(labels, class_weight, logits.size[1], params),
                                       logits.as<T>(), MixedOut<T>(loss), MixedOut<T>(top),
                                       MixedOut<T>(log_sum));
}

template <class T>
void cross_entropy_backward(Context&, View grad, View logits, View labels, View class_weight, View top,
                            View log_sum, View grad_logits, const CrossEntropyParams& params) {
  launch_rows<cross_entropy_bwd_kernel<T>>(
      Rows(logits), Targets<T>(labels, class_weight, logits.size[1], params), MixedIn<T>(grad),
      logits.as<T>(), MixedIn<T>(top), MixedIn<T>(log_sum), grad_logits.as<T>());
}

TSR_DEVICE_KERNEL(cross_entropy_fwd, cross_entropy_forward, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(cross_entropy_bwd, cross_entropy_backward, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
