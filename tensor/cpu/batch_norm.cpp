// Batch norm's four kernels. They are bound by memory: each reads its inputs once from there (the second pass
// of the statistics finds its chunk in cache).
#include <algorithm>
#include <cstdint>

#include "hwy/cache_control.h"
#include "tensor/cpu/channel_chunks.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/batch_norm.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// compiled per target and so follows highway.h
#include "tensor/cpu/moments-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void stats_of(Context& context, const View& x, const View& mean, const View& variance) {
  const ChannelChunks chunks(x);
  const T* source = x.as<T>();
  const std::int64_t channels = chunks.channels;
  T* const means = context.workspace_of<T>(static_cast<std::size_t>(2 * chunks.count * channels));
  T* const m2s = means + chunks.count * channels;
  chunks.run([&](std::int64_t chunk, std::int64_t at, std::int64_t rows) HWY_ATTR {
    chunk_moments(source + at, rows, channels, means + chunk * channels, m2s + chunk * channels);
  });
  chunks.run_channels([&](std::int64_t c) {
    const auto count = static_cast<double>(chunks.rows);
    double total = 0, m2 = 0;
    for (std::int64_t i = 0; i < chunks.count; ++i)
      total += static_cast<double>(chunks.rows_of(i)) * means[i * channels + c];
    const double middle = total / count;
    for (std::int64_t i = 0; i < chunks.count; ++i) {
      const double apart = means[i * channels + c] - middle;
      m2 += m2s[i * channels + c] + static_cast<double>(chunks.rows_of(i)) * apart * apart;
    }
    mean.as<T>()[c] = static_cast<T>(middle);
    variance.as<T>()[c] = static_cast<T>(m2 / count);
  });
}

/// Stores a vector, around the caches where `stream`.
template <class D>
HWY_INLINE void store(hn::Vec<D> v, D d, hn::TFromD<D>* to, bool stream) {
  if (stream) {
    hn::Stream(v, d, to);
  } else {
    hn::StoreU(v, d, to);
  }
}

template <class T>
void forward_of(Context& context, const View& x, const View& mean, const View& inv_std, const View& weight,
                const View& bias, const View& residual, const View& y, bool relu) {
  const ChannelChunks chunks(x);
  const std::int64_t channels = chunks.channels;
  T* const scale = context.workspace_of<T>(static_cast<std::size_t>(channels));
  for (std::int64_t c = 0; c < channels; ++c) scale[c] = inv_std.as<T>()[c] * weight.as<T>()[c];
  const T *source = x.as<T>(), *middle = mean.as<T>(), *shift = bias.as<T>();
  const T* const other = residual.data == nullptr ? nullptr : residual.as<T>();
  T* const target = y.as<T>();
  const bool stream = chunks.streams(y);
  chunks.run([&](std::int64_t, std::int64_t first, std::int64_t rows) HWY_ATTR {
    for_row_blocks<T>(rows, channels, [&](auto d, auto n, std::int64_t at, std::int64_t c) HWY_ATTR {
      const auto m = hn::LoadU(d, middle + c), s = hn::LoadU(d, scale + c), b = hn::LoadU(d, shift + c);
      for (int r = 0; r < n; ++r) {
        const std::int64_t i = first + at + r * channels;
        auto v = hn::MulAdd(hn::Sub(hn::LoadU(d, source + i), m), s, b);
        if (other != nullptr) v = hn::Add(v, hn::LoadU(d, other + i));
        if (relu) v = hn::IfThenZeroElse(hn::Lt(v, hn::Zero(d)), v);
        store(v, d, target + i, stream);
      }
    });
    hwy::FlushStream();
  });
}

/// The gradient that has passed relu: y is null where there is none.
template <class T, class D>
HWY_INLINE hn::Vec<D> masked(D d, const T* grad, const T* y, std::int64_t i) {
  const auto g = hn::LoadU(d, grad + i);
  return y == nullptr ? g : hn::IfThenElseZero(hn::Gt(hn::LoadU(d, y + i), hn::Zero(d)), g);
}

template <class T>
void backward_stats_of(Context& context, const View& grad, const View& x, const View& y, const View& mean,
                       const View& inv_std, const View& sum_g, const View& sum_gx, bool relu) {
  const ChannelChunks chunks(x);
  const std::int64_t channels = chunks.channels;
  T* const sums = context.workspace_of<T>(static_cast<std::size_t>(2 * chunks.count * channels));
  T* const products = sums + chunks.count * channels;
  const T *gradient = grad.as<T>(), *source = x.as<T>(), *middle = mean.as<T>();
  const T* const output = relu ? y.as<T>() : nullptr;
  chunks.run([&](std::int64_t chunk, std::int64_t first, std::int64_t rows) HWY_ATTR {
    const auto load = [&](auto d, std::int64_t i) HWY_ATTR { return masked(d, gradient, output, first + i); };
    chunk_gradient_sums(source + first, middle, rows, channels, load, sums + chunk * channels,
                        products + chunk * channels);
  });
  chunks.run_channels([&](std::int64_t c) {
    double total = 0, total_x = 0;
    for (std::int64_t i = 0; i < chunks.count; ++i) {
      total += sums[i * channels + c];
      total_x += products[i * channels + c];
    }
    sum_g.as<T>()[c] = static_cast<T>(total);
    sum_gx.as<T>()[c] = static_cast<T>(total_x * inv_std.as<T>()[c]);
  });
}

/// grad_x = a·g + b·(x - mean) + k: batch_norm_bwd's formula with what belongs to a channel gathered.
template <class T>
struct BackwardFactors {
  T *a, *b, *k;

  BackwardFactors(Context& context, std::int64_t channels, const T* inv_std, const T* weight, const T* sum_g,
                  const T* sum_gx, double count) {
    a = context.workspace_of<T>(static_cast<std::size_t>(3 * channels));
    b = a + channels;
    k = b + channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      const double factor = static_cast<double>(weight[c]) * inv_std[c];
      a[c] = static_cast<T>(factor);
      b[c] = static_cast<T>(-factor * inv_std[c] * sum_gx[c] / count);
      k[c] = static_cast<T>(-factor * sum_g[c] / count);
    }
  }
};

template <class T>
void backward_of(const View& grad, const View& x, const View& y, const View& mean,
                 const BackwardFactors<T>& factors, const View& grad_x, const View& grad_residual,
                 bool relu) {
  const ChannelChunks chunks(x);
  const std::int64_t channels = chunks.channels;
  const T *gradient = grad.as<T>(), *source = x.as<T>(), *middle = mean.as<T>();
  const T* const output = relu ? y.as<T>() : nullptr;
  T* const target = grad_x.as<T>();
  T* const passed = grad_residual.data == nullptr ? nullptr : grad_residual.as<T>();
  const bool stream = chunks.streams(grad_x), stream_passed = chunks.streams(grad_residual);
  chunks.run([&](std::int64_t, std::int64_t first, std::int64_t rows) HWY_ATTR {
    for_row_blocks<T>(rows, channels, [&](auto d, auto n, std::int64_t at, std::int64_t c) HWY_ATTR {
      const auto m = hn::LoadU(d, middle + c), a = hn::LoadU(d, factors.a + c),
                 b = hn::LoadU(d, factors.b + c), k = hn::LoadU(d, factors.k + c);
      for (int r = 0; r < n; ++r) {
        const std::int64_t i = first + at + r * channels;
        const auto g = masked(d, gradient, output, i);
        const auto centred = hn::Sub(hn::LoadU(d, source + i), m);
        store(hn::MulAdd(a, g, hn::MulAdd(b, centred, k)), d, target + i, stream);
        if (passed != nullptr) store(g, d, passed + i, stream_passed);
      }
    });
    hwy::FlushStream();
  });
}

void stats(Context& context, View x, View mean, View variance) {
  with_real(x.dtype, [&](auto type) { stats_of<decltype(type)>(context, x, mean, variance); });
}

void forward(Context& context, View x, View mean, View inv_std, View weight, View bias, View residual, View y,
             bool relu) {
  with_real(x.dtype, [&](auto type) {
    forward_of<decltype(type)>(context, x, mean, inv_std, weight, bias, residual, y, relu);
  });
}

void backward_stats(Context& context, View grad, View x, View y, View mean, View inv_std, View sum_g,
                    View sum_gx, bool relu) {
  with_real(x.dtype, [&](auto type) {
    backward_stats_of<decltype(type)>(context, grad, x, y, mean, inv_std, sum_g, sum_gx, relu);
  });
}

void backward(Context& context, View grad, View x, View y, View mean, View inv_std, View weight, View sum_g,
              View sum_gx, double count, View grad_x, View grad_residual, bool relu) {
  with_real(x.dtype, [&](auto type) {
    using T = decltype(type);
    const BackwardFactors<T> factors(context, x.size[x.rank - 1], inv_std.as<T>(), weight.as<T>(),
                                     sum_g.as<T>(), sum_gx.as<T>(), count);
    backward_of<T>(grad, x, y, mean, factors, grad_x, grad_residual, relu);
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {
namespace {

HWY_EXPORT(stats);
HWY_EXPORT(forward);
HWY_EXPORT(backward_stats);
HWY_EXPORT(backward);

const bool registered = [] {
  for (const DType dtype : {float32, float64}) {
    batch_norm_stats.add(Device::cpu, dtype, [](Context& context, View x, View mean, View variance) {
      HWY_DYNAMIC_DISPATCH(stats)(context, x, mean, variance);
    });
    batch_norm_fwd.add(Device::cpu, dtype,
                       [](Context& context, View x, View mean, View inv_std, View weight, View bias,
                          View residual, View y, bool relu) {
                         HWY_DYNAMIC_DISPATCH(forward)
                         (context, x, mean, inv_std, weight, bias, residual, y, relu);
                       });
    batch_norm_bwd_stats.add(Device::cpu, dtype,
                             [](Context& context, View grad, View x, View y, View mean, View inv_std,
                                View sum_g, View sum_gx, bool relu) {
                               HWY_DYNAMIC_DISPATCH(backward_stats)
                               (context, grad, x, y, mean, inv_std, sum_g, sum_gx, relu);
                             });
    batch_norm_bwd.add(Device::cpu, dtype,
                       [](Context& context, View grad, View x, View y, View mean, View inv_std, View weight,
                          View sum_g, View sum_gx, double count, View grad_x, View grad_residual, bool relu) {
                         HWY_DYNAMIC_DISPATCH(backward)
                         (context, grad, x, y, mean, inv_std, weight, sum_g, sum_gx, count, grad_x,
                          grad_residual, relu);
                       });
  }
  return true;
}();

}  // namespace
}  // namespace tsr::cpu
#endif
