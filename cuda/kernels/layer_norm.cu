// Layer norm and RMS norm: a block a row, and the parameters' gradients by columns.

#include "cuda/norm.h"
#include "cuda/rows.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

template <class T>
__global__ void layer_norm_kernel(Rows rows, const T* x, MixedIn<T> weight, MixedIn<T> bias, T* y,
                                  MixedOut<T> mean, MixedOut<T> inv_std, double epsilon, bool centred) {
  using A = Accumulator<T>;
  const std::int64_t n = rows.n, first = blockIdx.x * n;
  float middle = 0;
  if (centred) {  // by differences from the first element: the mean may be large beside the deviation
    const float start = widen(x[first]);
    const A sum = reduce_over<A>(n, Sum{}, [&](std::int64_t i) { return widen(x[first + i]) - start; });
    middle = static_cast<float>(start + static_cast<double>(sum) / static_cast<double>(n));
  }
  const A squares = reduce_over<A>(n, Sum{}, [&](std::int64_t i) {
    const A apart = widen(x[first + i]) - middle;
    return apart * apart;
  });
  const double variance = static_cast<double>(squares) / static_cast<double>(n);
  const auto factor = static_cast<float>(1 / sqrt(variance + epsilon));
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x)
    y[first + i] = narrow<T>(fmaf((widen(x[first + i]) - middle) * factor, weight[i], bias[i]));
  if (threadIdx.x == 0) {
    mean.set(blockIdx.x, middle);
    inv_std.set(blockIdx.x, factor);
  }
}

template <class T>
void layer_norm_forward(Context&, View x, View weight, View bias, View y, View mean, View inv_std,
                        double epsilon, bool centred) {
  launch_rows<layer_norm_kernel<T>>(Rows(x), x.as<T>(), MixedIn<T>(weight), MixedIn<T>(bias), y.as<T>(),
                                    MixedOut<T>(mean), MixedOut<T>(inv_std), epsilon, centred);
}

template <class T>
__global__ void layer_norm_bwd_kernel(Rows rows, const T* grad, const T* x, MixedIn<T> mean,
                                      MixedIn<T> inv_std, MixedIn<T> weight, T* grad_x, bool centred) {
  using A = Accumulator<T>;
  const std::int64_t n = rows.n, first = blockIdx.x * n;
  const float middle = mean[blockIdx.x], factor = inv_std[blockIdx.x];
  A sum = 0, sum_x = 0;
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) {
    const A g = widen(grad[first + i]) * weight[i];
    sum += g;
    sum_x += g * (widen(x[first + i]) - middle);
  }
  const auto count = static_cast<A>(n);
  sum = block_reduce(sum, Sum{});
  sum_x = block_reduce(sum_x, Sum{});
  const float average = centred ? static_cast<float>(sum / count) : 0,
              average_x = static_cast<float>(sum_x * factor / count);
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) {
    const float unit = (widen(x[first + i]) - middle) * factor;
    grad_x[first + i] = narrow<T>((widen(grad[first + i]) * weight[i] - average - unit * average_x) * factor);
  }
}

/// Σ grad and Σ grad·x̂ of a thread's rows.
template <class T>
struct ParameterSums {
  const T *grad, *x;
  MixedIn<T> mean, inv_std;
  std::int64_t n;

  __device__ GradientSums operator()(const ColumnPlace& at) const {
    Accumulator<T> sum = 0, sum_x = 0;
    struct Loaded {
      float grad, unit;
    };
    at.each_row(
        [&](std::int64_t row) {
          const std::int64_t i = row * n + at.column;
          return Loaded{widen(grad[i]), (widen(x[i]) - mean[row]) * inv_std[row]};
        },
        [&](std::int64_t, const Loaded& loaded) {
          const Accumulator<T> g = loaded.grad;
          sum += g;
          sum_x += g * loaded.unit;
        });
    return {sum, sum_x};
  }
};

template <class T>
void layer_norm_backward(Context& context, View grad, View x, View mean, View inv_std, View weight,
                         View grad_x, View grad_weight, View grad_bias, bool centred) {
  launch_rows<layer_norm_bwd_kernel<T>>(Rows(x), grad.as<T>(), x.as<T>(), MixedIn<T>(mean),
                                        MixedIn<T>(inv_std), MixedIn<T>(weight), grad_x.as<T>(), centred);
  reduce_columns<GradientSums>(
      context, ColumnShape(1, x.size[0], x.size[1]), AddGradientSums{},
      ParameterSums<T>{grad.as<T>(), x.as<T>(), MixedIn<T>(mean), MixedIn<T>(inv_std), x.size[1]},
      StoreParameterGradients<T>{MixedOut<T>(grad_weight), MixedOut<T>(grad_bias)});
}

TSR_DEVICE_KERNEL(layer_norm_fwd, layer_norm_forward, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(layer_norm_bwd, layer_norm_backward, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
