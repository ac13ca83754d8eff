// Layer norm and RMS norm, forward and backward. A row stays in the first-level cache between its passes.
#include <cmath>

#include "tensor/cpu/merge_rows.h"
#include "tensor/cpu/rows.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/layer_norm.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// keeps a guard per target and so follows highway.h
#include "tensor/cpu/pieces-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {
namespace {

/// The row's mean. Summing differences from the first element keeps it right where it is large beside the
/// deviation.
template <class T>
HWY_INLINE T row_mean(const T* x, std::int64_t n) {
  const T first = x[0];
  const double total = sum_pieces<T>(n, [&](auto piece, std::int64_t i, auto& sum, auto&) HWY_ATTR {
                         sum = hn::Add(sum, piece.keep(hn::Sub(piece.load(x + i), hn::Set(piece.d, first))));
                       }).first;
  return static_cast<T>(static_cast<double>(first) + total / static_cast<double>(n));
}

/// 1/√(variance + ε), the variance around `mean`.
template <class T>
HWY_INLINE T row_inv_std(const T* x, std::int64_t n, T mean, double epsilon) {
  const double total = sum_pieces<T>(n, [&](auto piece, std::int64_t i, auto& sum, auto&) HWY_ATTR {
                         const auto apart = piece.keep(hn::Sub(piece.load(x + i), hn::Set(piece.d, mean)));
                         sum = hn::MulAdd(apart, apart, sum);
                       }).first;
  return static_cast<T>(1 / std::sqrt(total / static_cast<double>(n) + epsilon));
}

template <class T>
void layer_norm(View x, View weight, View bias, View y, View mean, View inv_std, double epsilon,
                bool centred) {
  const T *source = x.as<T>(), *scale = weight.as<T>(), *shift = bias.as<T>();
  const std::int64_t n = x.size[1];
  for_rows(x, 4, [&](std::int64_t row, std::int64_t offset) HWY_ATTR {
    const T* from = source + offset;
    T* to = y.as<T>() + offset;
    const T middle = centred ? row_mean(from, n) : T(0), factor = row_inv_std(from, n, middle, epsilon);
    mean.as<T>()[row] = middle;
    inv_std.as<T>()[row] = factor;
    for_pieces<T>(n, [&](auto piece, std::int64_t i) HWY_ATTR {
      const auto unit =
          hn::Mul(hn::Sub(piece.load(from + i), hn::Set(piece.d, middle)), hn::Set(piece.d, factor));
      piece.store(hn::MulAdd(unit, piece.load(scale + i), piece.load(shift + i)), to + i);
    });
  });
}

/// The backward's operands as arrays.
template <class T>
struct LayerNormBackward {
  const T *grad, *x, *mean, *inv_std, *weight;
  T* grad_x;
  std::int64_t rows, n;
  bool centred;
};

/// avg(g) (0 unless centred) and avg(g·x̂) of a row.
template <class T>
HWY_INLINE std::pair<T, T> row_averages(const LayerNormBackward<T>& in, std::int64_t row) {
  const T *grad = in.grad + row * in.n, *x = in.x + row * in.n;
  const T mean = in.mean[row];
  const auto [sum, sum_x] =
      sum_pieces<T>(in.n, [&](auto piece, std::int64_t i, auto& total, auto& total_x) HWY_ATTR {
        const auto g = hn::Mul(piece.load(grad + i), piece.load(in.weight + i));
        total = hn::Add(total, g);
        total_x = hn::MulAdd(g, hn::Sub(piece.load(x + i), hn::Set(piece.d, mean)), total_x);
      });
  const auto count = static_cast<double>(in.n);
  return {in.centred ? static_cast<T>(sum / count) : T(0),
          static_cast<T>(sum_x * static_cast<double>(in.inv_std[row]) / count)};
}

/// grad_x of N rows, and their part of the parameters' gradients: the rows share what belongs to a column.
template <int N, class T>
HWY_INLINE void backward_rows(const LayerNormBackward<T>& in, std::int64_t row, T* grad_weight,
                              T* grad_bias) {
  std::pair<T, T> average[N];
  for (int r = 0; r < N; ++r) average[r] = row_averages(in, row + r);
  for_pieces<T>(in.n, [&](auto piece, std::int64_t i) HWY_ATTR {
    const auto d = piece.d;
    const auto weight = piece.load(in.weight + i);
    auto sum = piece.load(grad_bias + i), sum_x = piece.load(grad_weight + i);
    for (int r = 0; r < N; ++r) {
      const std::int64_t at = (row + r) * in.n + i;
      const auto grad = piece.load(in.grad + at), inv_std = hn::Set(d, in.inv_std[row + r]);
      const auto unit = hn::Mul(hn::Sub(piece.load(in.x + at), hn::Set(d, in.mean[row + r])), inv_std);
      sum = hn::Add(sum, grad);
      sum_x = hn::MulAdd(grad, unit, sum_x);
      const auto free = hn::NegMulAdd(unit, hn::Set(d, average[r].second),
                                      hn::MulSub(grad, weight, hn::Set(d, average[r].first)));
      piece.store(hn::Mul(free, inv_std), in.grad_x + at);
    }
    piece.store(sum, grad_bias + i);
    piece.store(sum_x, grad_weight + i);
  });
}

template <class T>
void layer_norm_grad(Context& context, const LayerNormBackward<T>& in, T* grad_weight, T* grad_bias) {
  constexpr std::int64_t kChunks = 64, kElements = 1 << 14;  // at most so many, at least so large
  constexpr int kBlock = 4;
  const std::int64_t n = in.n, rows = in.rows;
  const std::int64_t size =
      std::max({(rows + kChunks - 1) / kChunks, kElements / std::max<std::int64_t>(n, 1), std::int64_t{1}});
  const std::int64_t chunks = (rows + size - 1) / size;
  T* const partial = context.workspace_of<T>(static_cast<std::size_t>(2 * chunks * n));
  parallel_for(chunks, 1, [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      T *const sum_x = partial + 2 * chunk * n, *const sum = sum_x + n;
      std::fill(sum_x, sum_x + 2 * n, T(0));
      const std::int64_t last = std::min(rows, (chunk + 1) * size);
      std::int64_t row = chunk * size;
      for (; row + kBlock <= last; row += kBlock) backward_rows<kBlock>(in, row, sum_x, sum);
      for (; row < last; ++row) backward_rows<1>(in, row, sum_x, sum);
    }
  });
  merge_rows(partial, chunks, 2 * n, n, grad_weight);
  merge_rows(partial + n, chunks, 2 * n, n, grad_bias);
}

template <class T>
void layer_norm_bwd_of(Context& context, View grad, View x, View mean, View inv_std, View weight, View grad_x,
                       View grad_weight, View grad_bias, bool centred) {
  layer_norm_grad<T>(context,
                     {grad.as<T>(), x.as<T>(), mean.as<T>(), inv_std.as<T>(), weight.as<T>(), grad_x.as<T>(),
                      x.size[0], x.size[1], centred},
                     grad_weight.as<T>(), grad_bias.as<T>());
}

void forward(View x, View weight, View bias, View y, View mean, View inv_std, double epsilon, bool centred) {
  if (x.dtype == float32) return layer_norm<float>(x, weight, bias, y, mean, inv_std, epsilon, centred);
  layer_norm<double>(x, weight, bias, y, mean, inv_std, epsilon, centred);
}

void backward(Context& context, View grad, View x, View mean, View inv_std, View weight, View grad_x,
              View grad_weight, View grad_bias, bool centred) {
  const auto function = x.dtype == float32 ? layer_norm_bwd_of<float> : layer_norm_bwd_of<double>;
  function(context, grad, x, mean, inv_std, weight, grad_x, grad_weight, grad_bias, centred);
}

}  // namespace
}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

HWY_EXPORT(forward);
HWY_EXPORT(backward);

const bool registered = [] {
  for (const DType dtype : {float32, float64}) {
    layer_norm_fwd.add(Device::cpu, dtype,
                       [](Context&, View x, View weight, View bias, View y, View mean, View inv_std,
                          double epsilon, bool centred) {
                         HWY_DYNAMIC_DISPATCH(forward)(x, weight, bias, y, mean, inv_std, epsilon, centred);
                       });
    layer_norm_bwd.add(Device::cpu, dtype,
                       [](Context& context, View grad, View x, View mean, View inv_std, View weight,
                          View grad_x, View grad_weight, View grad_bias, bool centred) {
                         HWY_DYNAMIC_DISPATCH(backward)
                         (context, grad, x, mean, inv_std, weight, grad_x, grad_weight, grad_bias, centred);
                       });
  }
  return true;
}();

}  // namespace
}  // namespace tsr
#endif
