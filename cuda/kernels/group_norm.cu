// Group norm of [samples, places, channels]: sums by sample and channel, merged to those of groups; then a
// thread stays on a channel.

#include "cuda/norm.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

struct Grouped {
  std::int64_t groups, width;  ///< width: channels a group
  double count;                ///< elements of a group

  Grouped(const View& x, const View& mean)
      : groups(mean.size[1]), width(x.size[2] / groups), count(static_cast<double>(x.size[1] * width)) {}
  /// Where the group of a sample's channel has its statistics.
  __device__ std::int64_t of(std::int64_t sample, std::int64_t channel) const {
    return sample * groups + channel / width;
  }
};

ColumnShape columns_of(const View& x) { return {x.size[0], x.size[1], x.size[2]}; }

/// Keeps the results of reduce_columns for another kernel.
template <class A>
struct Store {
  A* to;
  __device__ void operator()(std::int64_t i, const A& all) const { to[i] = all; }
};

/// A block a group.
template <auto kernel, class... Arguments>
void launch_groups(const View& mean, const Grouped& grouped, const Arguments&... arguments) {
  if (mean.numel() == 0) return;
  launch<kernel>({.grid = {static_cast<unsigned>(mean.numel())}, .block = {reduce_threads(grouped.width)}},
                 current_stream(), grouped, arguments...);
}

template <class T>
__global__ void group_moments_kernel(Grouped grouped, const Moments* channels, MixedOut<T> mean,
                                     MixedOut<T> inv_std, double epsilon) {
  const Moments* own = channels + blockIdx.x * grouped.width;
  const double scale = grouped.count > 0 ? 1 / grouped.count : 0;
  const double middle = scale * reduce_over<double>(grouped.width, Sum{}, [&](std::int64_t c) {
                          return own[c].count * own[c].mean;
                        });
  const double variance = scale * reduce_over<double>(grouped.width, Sum{}, [&](std::int64_t c) {
                            const double apart = own[c].mean - middle;
                            return own[c].m2 + own[c].count * apart * apart;
                          });
  if (threadIdx.x != 0) return;
  mean.set(blockIdx.x, static_cast<float>(middle));
  inv_std.set(blockIdx.x, static_cast<float>(1 / sqrt(variance + epsilon)));
}

template <class T>
__global__ void group_norm_kernel(ColumnShape shape, Grouped grouped, const T* x, MixedIn<T> mean,
                                  MixedIn<T> inv_std, MixedIn<T> weight, MixedIn<T> bias, T* y) {
  const ColumnPlace at(shape);
  if (!at.inside) return;
  const std::int64_t group = grouped.of(at.batch, at.column);
  const float middle = mean[group], scale = inv_std[group] * weight[at.column], shift = bias[at.column];
  const std::int64_t start = at.batch * shape.rows * shape.columns + at.column;
  at.each_row([&](std::int64_t row) { return widen(x[start + row * shape.columns]); },
              [&](std::int64_t row, float value) {
                y[start + row * shape.columns] = narrow<T>(fmaf(value - middle, scale, shift));
              });
}

template <class T>
void group_norm_forward(Context& context, View x, View weight, View bias, View y, View mean, View inv_std,
                        double epsilon) {
  const ColumnShape shape = columns_of(x);
  const Grouped grouped(x, mean);
  auto* channels = context.workspace_of<Moments>(static_cast<std::size_t>(shape.results()));
  reduce_columns<Moments>(context, shape, MergeMoments{},
                          ColumnMoments<T>{x.as<T>(), shape.rows, shape.columns}, Store<Moments>{channels});
  launch_groups<group_moments_kernel<T>>(mean, grouped, channels, MixedOut<T>(mean), MixedOut<T>(inv_std),
                                         epsilon);
  launch_columns<group_norm_kernel<T>>(shape, grouped, x.as<T>(), MixedIn<T>(mean), MixedIn<T>(inv_std),
                                       MixedIn<T>(weight), MixedIn<T>(bias), y.as<T>());
}

/// Σ grad and Σ grad·x̂ of a thread's places.
template <class T>
struct SampleSums {
  Grouped grouped;
  const T *grad, *x;
  MixedIn<T> mean, inv_std;
  std::int64_t places, channels;

  __device__ GradientSums operator()(const ColumnPlace& at) const {
    const std::int64_t group = grouped.of(at.batch, at.column);
    const float middle = mean[group], factor = inv_std[group];
    Accumulator<T> sum = 0, sum_x = 0;
    const std::int64_t start = at.batch * places * channels + at.column;
    at.each_row([&](std::int64_t row) { return gradient_at<T>(grad, x, start + row * channels); },
                [&](std::int64_t, const GradientAt& loaded) {
                  const Accumulator<T> g = loaded.grad;
                  sum += g;
                  sum_x += g * ((loaded.x - middle) * factor);
                });
    return {sum, sum_x};
  }
};

/// avg(g) and avg(g·x̂) of each group, g = grad·weight.
template <class T>
__global__ void group_averages_kernel(Grouped grouped, const GradientSums* channels, MixedIn<T> weight,
                                      GradientSums* averages) {
  const std::int64_t first = blockIdx.x % grouped.groups * grouped.width;
  const GradientSums* own = channels + blockIdx.x * grouped.width;
  const double sum =
      reduce_over<double>(grouped.width, Sum{}, [&](std::int64_t c) { return weight[first + c] * own[c].g; });
  const double sum_x = reduce_over<double>(grouped.width, Sum{},
                                           [&](std::int64_t c) { return weight[first + c] * own[c].gx; });
  if (threadIdx.x == 0) averages[blockIdx.x] = {sum / grouped.count, sum_x / grouped.count};
}

template <class T>
__global__ void group_norm_bwd_kernel(ColumnShape shape, Grouped grouped, const T* grad, const T* x,
                                      MixedIn<T> mean, MixedIn<T> inv_std, MixedIn<T> weight,
                                      const GradientSums* averages, T* grad_x) {
  const ColumnPlace at(shape);
  if (!at.inside) return;
  const std::int64_t group = grouped.of(at.batch, at.column);
  const float middle = mean[group], factor = inv_std[group], scale = weight[at.column],
              average = static_cast<float>(averages[group].g),
              average_x = static_cast<float>(averages[group].gx);
  const std::int64_t start = at.batch * shape.rows * shape.columns + at.column;
  at.each_row([&](std::int64_t row) { return gradient_at<T>(grad, x, start + row * shape.columns); },
              [&](std::int64_t row, const GradientAt& loaded) {
                const float unit = (loaded.x - middle) * factor;
                grad_x[start + row * shape.columns] =
                    narrow<T>((loaded.grad * scale - average - unit * average_x) * factor);
              });
}

/// The sums of all samples.
struct AllSamples {
  const GradientSums* sums;
  std::int64_t channels;

  __device__ GradientSums operator()(const ColumnPlace& at) const {
    GradientSums all{0, 0};
    for (std::int64_t row = at.first; row < at.last; row += at.step)
      all = AddGradientSums{}(all, sums[row * channels + at.column]);
    return all;
  }
};

template <class T>
void group_norm_backward(Context& context, View grad, View x, View mean, View inv_std, View weight,
                         View grad_x, View grad_weight, View grad_bias) {
  const ColumnShape shape = columns_of(x);
  const Grouped grouped(x, mean);
  auto* sums = context.workspace_of<GradientSums>(static_cast<std::size_t>(shape.results()));
  auto* averages = context.workspace_of<GradientSums>(static_cast<std::size_t>(mean.numel()));
  reduce_columns<GradientSums>(context, shape, AddGradientSums{},
                               SampleSums<T>{grouped, grad.as<T>(), x.as<T>(), MixedIn<T>(mean),
                                             MixedIn<T>(inv_std), shape.rows, shape.columns},
                               Store<GradientSums>{sums});
  launch_groups<group_averages_kernel<T>>(mean, grouped, sums, MixedIn<T>(weight), averages);
  launch_columns<group_norm_bwd_kernel<T>>(shape, grouped, grad.as<T>(), x.as<T>(), MixedIn<T>(mean),
                                           MixedIn<T>(inv_std), MixedIn<T>(weight), averages, grad_x.as<T>());
  reduce_columns<GradientSums>(context, ColumnShape(1, shape.batch, shape.columns), AddGradientSums{},
                               AllSamples{sums, shape.columns},
                               StoreParameterGradients<T>{MixedOut<T>(grad_weight), MixedOut<T>(grad_bias)});
}

TSR_DEVICE_KERNEL(group_norm_fwd, group_norm_forward, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(group_norm_bwd, group_norm_backward, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
