// Batch norm of [rows, channels]. A thread stays on a channel, so that it fetches the channel's factors once.

#include "cuda/norm.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

ColumnShape channels_of(const View& x) {
  const std::int64_t channels = x.size[x.rank - 1];
  return {1, channels == 0 ? 0 : x.numel() / channels, channels};
}

template <class T>
T* optional(const View& view) {
  return view.data == nullptr ? nullptr : view.as<T>();
}

template <class T>
struct StoreMoments {
  MixedOut<T> mean, variance;

  __device__ void operator()(std::int64_t channel, const Moments& all) const {
    mean.set(channel, static_cast<float>(all.mean));
    variance.set(channel, static_cast<float>(all.m2 / all.count));
  }
};

template <class T>
void stats(Context& context, View x, View mean, View variance) {
  const ColumnShape shape = channels_of(x);
  reduce_columns<Moments>(context, shape, MergeMoments{},
                          ColumnMoments<T>{x.as<T>(), shape.rows, shape.columns},
                          StoreMoments<T>{MixedOut<T>(mean), MixedOut<T>(variance)});
}

template <class T>
__global__ void batch_norm_kernel(ColumnShape shape, const T* x, MixedIn<T> mean, MixedIn<T> inv_std,
                                  MixedIn<T> weight, MixedIn<T> bias, const T* residual, T* y, bool relu) {
  const ColumnPlace at(shape);
  if (!at.inside) return;
  const float middle = mean[at.column], scale = inv_std[at.column] * weight[at.column],
              shift = bias[at.column];
  struct Loaded {
    float x, residual;
  };
  at.each_row(
      [&](std::int64_t row) {
        const std::int64_t i = row * shape.columns + at.column;
        return Loaded{widen(x[i]), residual != nullptr ? widen(residual[i]) : 0};
      },
      [&](std::int64_t row, const Loaded& loaded) {
        float value = fmaf(loaded.x - middle, scale, shift);
        if (residual != nullptr) value += loaded.residual;
        y[row * shape.columns + at.column] = narrow<T>(relu && value < 0 ? 0 : value);
      });
}

template <class T>
void batch_norm_forward(Context&, View x, View mean, View inv_std, View weight, View bias, View residual,
                        View y, bool relu) {
  launch_columns<batch_norm_kernel<T>>(channels_of(x), static_cast<const T*>(x.as<T>()), MixedIn<T>(mean),
                                       MixedIn<T>(inv_std), MixedIn<T>(weight), MixedIn<T>(bias),
                                       static_cast<const T*>(optional<T>(residual)), y.as<T>(), relu);
}

/// The gradient that has passed relu; y is null where there is none.
template <class T>
struct MaskedGradient {
  const T *grad, *y;

  __device__ float operator[](std::int64_t i) const {
    return y == nullptr || widen(y[i]) > 0 ? widen(grad[i]) : 0;
  }
};

template <class T>
struct ChannelGradientSums {
  MaskedGradient<T> grad;
  const T* x;
  MixedIn<T> mean;
  std::int64_t channels;

  __device__ GradientSums operator()(const ColumnPlace& at) const {
    const float middle = mean[at.column];
    Accumulator<T> sum = 0, sum_x = 0;
    at.each_row([&](std::int64_t row) { return gradient_at<T>(grad, x, row * channels + at.column); },
                [&](std::int64_t, const GradientAt& loaded) {
                  const Accumulator<T> g = loaded.grad;
                  sum += g;
                  sum_x += g * (loaded.x - middle);
                });
    return {sum, sum_x};
  }
};
template <class T>
struct StoreGradientSums {
  MixedIn<T> inv_std;
  MixedOut<T> sum_g, sum_gx;

  __device__ void operator()(std::int64_t channel, const GradientSums& sums) const {
    sum_g.set(channel, static_cast<float>(sums.g));
    sum_gx.set(channel, static_cast<float>(sums.gx * inv_std[channel]));
  }
};

template <class T>
void backward_stats(Context& context, View grad, View x, View y, View mean, View inv_std, View sum_g,
                    View sum_gx, bool relu) {
  const MaskedGradient<T> masked{grad.as<T>(), relu ? y.as<T>() : nullptr};
  reduce_columns<GradientSums>(
      context, channels_of(x), AddGradientSums{},
      ChannelGradientSums<T>{masked, x.as<T>(), MixedIn<T>(mean), x.size[x.rank - 1]},
      StoreGradientSums<T>{MixedIn<T>(inv_std), MixedOut<T>(sum_g), MixedOut<T>(sum_gx)});
}

/// grad_x = a·g + b·(x - mean) + k: batch_norm_bwd's formula with what belongs to a channel gathered.
template <class T>
__global__ void batch_norm_bwd_kernel(ColumnShape shape, MaskedGradient<T> grad, const T* x, MixedIn<T> mean,
                                      MixedIn<T> inv_std, MixedIn<T> weight, MixedIn<T> sum_g,
                                      MixedIn<T> sum_gx, double count, T* grad_x, T* grad_residual) {
  const ColumnPlace at(shape);
  if (!at.inside) return;
  const double spread = inv_std[at.column], factor = weight[at.column] * spread;
  const auto middle = mean[at.column], a = static_cast<float>(factor),
             b = static_cast<float>(-factor * spread * sum_gx[at.column] / count),
             k = static_cast<float>(-factor * sum_g[at.column] / count);
  at.each_row([&](std::int64_t row) { return gradient_at<T>(grad, x, row * shape.columns + at.column); },
              [&](std::int64_t row, const GradientAt& loaded) {
                const std::int64_t i = row * shape.columns + at.column;
                grad_x[i] = narrow<T>(fmaf(a, loaded.grad, fmaf(b, loaded.x - middle, k)));
                if (grad_residual != nullptr) grad_residual[i] = narrow<T>(loaded.grad);
              });
}

template <class T>
void batch_norm_backward(Context&, View grad, View x, View y, View mean, View inv_std, View weight,
                         View sum_g, View sum_gx, double count, View grad_x, View grad_residual, bool relu) {
  launch_columns<batch_norm_bwd_kernel<T>>(
      channels_of(x), MaskedGradient<T>{grad.as<T>(), relu ? y.as<T>() : nullptr},
      static_cast<const T*>(x.as<T>()), MixedIn<T>(mean), MixedIn<T>(inv_std), MixedIn<T>(weight),
      MixedIn<T>(sum_g), MixedIn<T>(sum_gx), count, grad_x.as<T>(), optional<T>(grad_residual));
}

TSR_DEVICE_KERNEL(batch_norm_stats, stats, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(batch_norm_fwd, batch_norm_forward, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(batch_norm_bwd_stats, backward_stats, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(batch_norm_bwd, batch_norm_backward, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
