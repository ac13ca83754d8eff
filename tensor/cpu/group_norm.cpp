// Group norm, forward and backward. A sample's statistics by channel become those of its groups; then each
// channel is scaled and shifted as in batch norm.
#include <cmath>
#include <utility>

#include "tensor/cpu/channel_chunks.h"
#include "tensor/cpu/merge_rows.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/group_norm.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// compiled per target and so follows highway.h
#include "tensor/cpu/moments-inl.h"

#ifndef TESSERA_GROUP_NORM_SHAPE
#define TESSERA_GROUP_NORM_SHAPE
namespace tsr::cpu {
namespace {

/// x [samples, places, channels] with its groups.
struct GroupedShape {
  std::int64_t samples, places, channels, groups, width;  ///< width: channels a group

  GroupedShape(const View& x, const View& mean)
      : samples(x.size[0]),
        places(x.size[1]),
        channels(x.size[2]),
        groups(mean.size[1]),
        width(channels / groups) {}

  std::int64_t sample_size() const { return places * channels; }
  double count() const { return static_cast<double>(places * width); }  ///< elements of a group

  /// Calls body(sample) for each: in parallel where there are many, else one by one, so that their chunks
  /// run in parallel.
  template <class Body>
  void for_samples(Body&& body) const {
    constexpr std::int64_t kMany = 8, kElements = 1 << 14;
    const std::int64_t grain =
        samples < kMany ? samples
                        : std::max<std::int64_t>(1, kElements / std::max<std::int64_t>(1, sample_size()));
    const auto run = [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t sample = begin; sample < end; ++sample) body(sample);
    };
    if (samples < kMany) return run(0, samples);
    parallel_for(samples, grain, run);
  }
};

}  // namespace
}  // namespace tsr::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {

/// Mean and squared deviations of a group's elements from those of its channels in each chunk (Chan et al.
/// 1979).
template <class T>
std::pair<double, double> merge_moments(const ChannelChunks& chunks, const T* means, const T* m2s,
                                        std::int64_t first, std::int64_t width) {
  const double count = static_cast<double>(chunks.rows) * static_cast<double>(width);
  if (count == 0) return {0, 0};
  const auto over_chunks = [&](auto&& body) {
    double total = 0;
    for (std::int64_t i = 0; i < chunks.count; ++i)
      for (std::int64_t c = first; c < first + width; ++c)
        total += body(static_cast<double>(chunks.rows_of(i)), i * chunks.channels + c);
    return total;
  };
  const double mean =
      over_chunks([&](double rows, std::int64_t at) { return rows * static_cast<double>(means[at]); }) /
      count;
  const double m2 = over_chunks([&](double rows, std::int64_t at) {
    const double apart = static_cast<double>(means[at]) - mean;
    return static_cast<double>(m2s[at]) + rows * apart * apart;
  });
  return {mean, m2 / count};
}

/// One sample: its groups' mean and 1/√(variance + ε), and those by channel, the latter times the weight.
template <class T>
void sample_moments(const ChannelChunks& chunks, const T* x, const T* weight, double epsilon,
                    std::int64_t groups, T* mean, T* inv_std, T* channel_mean, T* channel_scale) {
  Context scratch(Device::cpu);
  const std::int64_t channels = chunks.channels, width = channels / groups;
  T* const means = scratch.workspace_of<T>(static_cast<std::size_t>(2 * chunks.count * channels));
  T* const m2s = means + chunks.count * channels;
  chunks.run([&](std::int64_t chunk, std::int64_t at, std::int64_t rows) HWY_ATTR {
    chunk_moments(x + at, rows, channels, means + chunk * channels, m2s + chunk * channels);
  });
  for (std::int64_t g = 0; g < groups; ++g) {
    const auto [middle, variance] = merge_moments(chunks, means, m2s, g * width, width);
    mean[g] = static_cast<T>(middle);
    inv_std[g] = static_cast<T>(1 / std::sqrt(variance + epsilon));
    for (std::int64_t c = g * width; c < (g + 1) * width; ++c) {
      channel_mean[c] = mean[g];
      channel_scale[c] = inv_std[g] * weight[c];
    }
  }
}

template <class T>
void forward_of(Context& context, const View& x, const View& weight, const View& bias, const View& y,
                const View& mean, const View& inv_std, double epsilon) {
  const GroupedShape shape(x, mean);
  const std::int64_t channels = shape.channels;
  const ChannelChunks chunks(shape.places, channels);
  T* const middles = context.workspace_of<T>(static_cast<std::size_t>(2 * shape.samples * channels));
  T* const scales = middles + shape.samples * channels;
  const T* const shift = bias.as<T>();
  shape.for_samples([&](std::int64_t sample) {
    const T* const source = x.as<T>() + sample * shape.sample_size();
    T* const target = y.as<T>() + sample * shape.sample_size();
    T *const middle = middles + sample * channels, *const scale = scales + sample * channels;
    sample_moments(chunks, source, weight.as<T>(), epsilon, shape.groups,
                   mean.as<T>() + sample * shape.groups, inv_std.as<T>() + sample * shape.groups, middle,
                   scale);
    chunks.run([&](std::int64_t, std::int64_t first, std::int64_t rows) HWY_ATTR {
      for_row_blocks<T>(rows, channels, [&](auto d, auto n, std::int64_t at, std::int64_t c) HWY_ATTR {
        const auto m = hn::LoadU(d, middle + c), s = hn::LoadU(d, scale + c), b = hn::LoadU(d, shift + c);
        for (int r = 0; r < n; ++r) {
          const std::int64_t i = first + at + r * channels;
          hn::StoreU(hn::MulAdd(hn::Sub(hn::LoadU(d, source + i), m), s, b), d, target + i);
        }
      });
    });
  });
}

/// grad_x = a·grad + b·(x - mean) + k: layer_norm_bwd's formula with what belongs to a channel gathered.
template <class T>
struct ChannelFactors {
  T *mean, *a, *b, *k;

  ChannelFactors(Context& context, std::int64_t channels) {
    mean = context.workspace_of<T>(static_cast<std::size_t>(4 * channels));
    a = mean + channels;
    b = a + channels;
    k = b + channels;
  }
};

/// Σ grad and Σ grad·x̂ of each channel of one sample.
template <class T>
void sample_sums(const ChannelChunks& chunks, const T* grad, const T* x, const T* mean, const T* inv_std,
                 std::int64_t width, T* sum_g, T* sum_gx) {
  Context scratch(Device::cpu);
  const std::int64_t channels = chunks.channels;
  T* const sums = scratch.workspace_of<T>(static_cast<std::size_t>((2 * chunks.count + 1) * channels));
  T *const products = sums + chunks.count * channels, *const middle = products + chunks.count * channels;
  for (std::int64_t c = 0; c < channels; ++c) middle[c] = mean[c / width];
  chunks.run([&](std::int64_t chunk, std::int64_t first, std::int64_t rows) HWY_ATTR {
    const auto load = [&](auto d, std::int64_t i) HWY_ATTR { return hn::LoadU(d, grad + first + i); };
    chunk_gradient_sums(x + first, middle, rows, channels, load, sums + chunk * channels,
                        products + chunk * channels);
  });
  merge_rows(sums, chunks.count, channels, channels, sum_g);
  merge_rows(products, chunks.count, channels, channels, sum_gx);
  for (std::int64_t c = 0; c < channels; ++c) sum_gx[c] *= inv_std[c / width];
}

template <class T>
void fill_factors(const GroupedShape& shape, const T* mean, const T* inv_std, const T* weight, const T* sum_g,
                  const T* sum_gx, const ChannelFactors<T>& factors) {
  for (std::int64_t g = 0; g < shape.groups; ++g) {
    const std::int64_t first = g * shape.width, last = first + shape.width;
    double average = 0, average_x = 0;
    for (std::int64_t c = first; c < last; ++c) {
      average += static_cast<double>(weight[c]) * static_cast<double>(sum_g[c]) / shape.count();
      average_x += static_cast<double>(weight[c]) * static_cast<double>(sum_gx[c]) / shape.count();
    }
    const auto scale = static_cast<double>(inv_std[g]);
    for (std::int64_t c = first; c < last; ++c) {
      factors.mean[c] = mean[g];
      factors.a[c] = static_cast<T>(scale * static_cast<double>(weight[c]));
      factors.b[c] = static_cast<T>(-scale * scale * average_x);
      factors.k[c] = static_cast<T>(-scale * average);
    }
  }
}

template <class T>
void write_gradient(const ChannelChunks& chunks, const T* grad, const T* x, const ChannelFactors<T>& factors,
                    T* grad_x) {
  const std::int64_t channels = chunks.channels;
  chunks.run([&](std::int64_t, std::int64_t first, std::int64_t rows) HWY_ATTR {
    for_row_blocks<T>(rows, channels, [&](auto d, auto n, std::int64_t at, std::int64_t c) HWY_ATTR {
      const auto m = hn::LoadU(d, factors.mean + c), a = hn::LoadU(d, factors.a + c),
                 b = hn::LoadU(d, factors.b + c), k = hn::LoadU(d, factors.k + c);
      for (int r = 0; r < n; ++r) {
        const std::int64_t i = first + at + r * channels;
        const auto centred = hn::Sub(hn::LoadU(d, x + i), m);
        hn::StoreU(hn::MulAdd(a, hn::LoadU(d, grad + i), hn::MulAdd(b, centred, k)), d, grad_x + i);
      }
    });
  });
}

template <class T>
void backward_of(Context& context, const View& grad, const View& x, const View& mean, const View& inv_std,
                 const View& weight, const View& grad_x, const View& grad_weight, const View& grad_bias) {
  const GroupedShape shape(x, mean);
  const std::int64_t channels = shape.channels;
  const ChannelChunks chunks(shape.places, channels);
  T* const sums = context.workspace_of<T>(static_cast<std::size_t>(2 * shape.samples * channels));
  T* const products = sums + shape.samples * channels;
  shape.for_samples([&](std::int64_t sample) {
    Context scratch(Device::cpu);
    const ChannelFactors<T> factors(scratch, channels);
    const std::int64_t at = sample * shape.sample_size(), c = sample * channels, g = sample * shape.groups;
    sample_sums(chunks, grad.as<T>() + at, x.as<T>() + at, mean.as<T>() + g, inv_std.as<T>() + g, shape.width,
                sums + c, products + c);
    fill_factors(shape, mean.as<T>() + g, inv_std.as<T>() + g, weight.as<T>(), sums + c, products + c,
                 factors);
    write_gradient(chunks, grad.as<T>() + at, x.as<T>() + at, factors, grad_x.as<T>() + at);
  });
  merge_rows(products, shape.samples, channels, channels, grad_weight.as<T>());
  merge_rows(sums, shape.samples, channels, channels, grad_bias.as<T>());
}

void forward(Context& context, View x, View weight, View bias, View y, View mean, View inv_std,
             double epsilon) {
  with_real(x.dtype, [&](auto type) {
    forward_of<decltype(type)>(context, x, weight, bias, y, mean, inv_std, epsilon);
  });
}

void backward(Context& context, View grad, View x, View mean, View inv_std, View weight, View grad_x,
              View grad_weight, View grad_bias) {
  with_real(x.dtype, [&](auto type) {
    backward_of<decltype(type)>(context, grad, x, mean, inv_std, weight, grad_x, grad_weight, grad_bias);
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {
namespace {

HWY_EXPORT(forward);
HWY_EXPORT(backward);

const bool registered = [] {
  for (const DType dtype : {float32, float64}) {
    group_norm_fwd.add(Device::cpu, dtype,
                       [](Context& context, View x, View weight, View bias, View y, View mean, View inv_std,
                          double epsilon) {
                         HWY_DYNAMIC_DISPATCH(forward)(context, x, weight, bias, y, mean, inv_std, epsilon);
                       });
    group_norm_bwd.add(Device::cpu, dtype,
                       [](Context& context, View grad, View x, View mean, View inv_std, View weight,
                          View grad_x, View grad_weight, View grad_bias) {
                         HWY_DYNAMIC_DISPATCH(backward)
                         (context, grad, x, mean, inv_std, weight, grad_x, grad_weight, grad_bias);
                       });
  }
  return true;
}();

}  // namespace
}  // namespace tsr::cpu
#endif
