// Distances between all pairs of rows, by differences, and their gradient.

#include "cuda/mixed.h"
#include "cuda/reduce.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

/// p of 1, 2 and infinity: how differences add up, and the derivative factor(grad, y)·slope(difference, y).
struct Simple {
  using Real = float;
  enum class Kind { manhattan, euclidean, chebyshev } kind;

  explicit Simple(double p) : kind(p == 1 ? Kind::manhattan : p == 2 ? Kind::euclidean : Kind::chebyshev) {}
  __device__ float add(float total, float apart) const {
    if (kind == Kind::euclidean) return fmaf(apart, apart, total);
    return kind == Kind::manhattan ? total + fabsf(apart) : Max{}(total, fabsf(apart));
  }
  __device__ float finish(float total) const { return kind == Kind::euclidean ? sqrtf(total) : total; }
  __device__ float factor(float grad, float y) const {
    if (kind != Kind::euclidean) return grad;
    return y > 0 ? grad / y : 0;
  }
  __device__ float slope(float apart, float y) const {
    if (kind == Kind::euclidean) return apart;
    if (apart == 0 || (kind == Kind::chebyshev && fabsf(apart) != y)) return 0;
    return copysignf(1, apart);
  }
};

/// Any other p, in double: powers leave float's range.
struct Minkowski {
  using Real = double;
  double p;

  __device__ double add(double total, float apart) const {
    return total + pow(fabs(static_cast<double>(apart)), p);
  }
  __device__ double finish(double total) const { return pow(total, 1 / p); }
  __device__ double factor(float grad, float y) const { return y == 0 ? 0 : grad; }
  __device__ double slope(float apart, float y) const {
    if (y == 0) return 0;
    return copysign(pow(fabs(static_cast<double>(apart)) / y, p - 1), static_cast<double>(apart));
  }
};

constexpr unsigned kSide = 16;  // rows of a and of b whose distances a block makes
constexpr unsigned kCdistDepth = 16;

/// A thread a pair; the block's rows pass through shared memory, kCdistDepth columns at a time.
template <class T, class Metric>
__global__ void cdist_kernel(Metric metric, const T* a, const T* b, MixedOut<T> y, std::int64_t m,
                             std::int64_t n, std::int64_t d, std::int64_t down, std::int64_t across) {
  SHARED(float, rows, [kSide][kCdistDepth + 1]);
  SHARED(float, others, [kSide][kCdistDepth + 1]);
  const std::int64_t batch = blockIdx.x / across / down;
  const std::int64_t i0 = blockIdx.x / across % down * kSide, j0 = blockIdx.x % across * kSide;
  const std::int64_t i = i0 + threadIdx.y, j = j0 + threadIdx.x;
  typename Metric::Real total = 0;
  for (std::int64_t k0 = 0; k0 < d; k0 += kCdistDepth) {
    const std::int64_t k = k0 + threadIdx.x, other = j0 + threadIdx.y;
    rows[threadIdx.y][threadIdx.x] = i < m && k < d ? widen(a[(batch * m + i) * d + k]) : 0;
    others[threadIdx.y][threadIdx.x] = other < n && k < d ? widen(b[(batch * n + other) * d + k]) : 0;
    __syncthreads();
    for (unsigned step = 0; step < kCdistDepth; ++step)
      total = metric.add(total, rows[threadIdx.y][step] - others[threadIdx.x][step]);
    __syncthreads();
  }
  if (i < m && j < n) y.set((batch * m + i) * n + j, static_cast<float>(metric.finish(total)));
}

template <class T, class Metric>
void distances(const Metric& metric, const View& a, const View& b, const View& y) {
  const std::int64_t m = a.size[1], n = b.size[1];
  const std::int64_t down = (m + kSide - 1) / kSide, across = (n + kSide - 1) / kSide;
  if (y.numel() == 0) return;
  launch<cdist_kernel<T, Metric>>(
      {.grid = {static_cast<unsigned>(a.size[0] * down * across)}, .block = {kSide, kSide}}, current_stream(),
      metric, a.as<T>(), b.as<T>(), MixedOut<T>(y), m, n, a.size[2], down, across);
}

/// A view [batch, m, n] of any strides.
template <class T>
struct PairsIn {
  MixedIn<T> data;
  std::int64_t batch, row, column;  ///< strides

  explicit PairsIn(const View& view)
      : data(view), batch(view.stride[0]), row(view.stride[1]), column(view.stride[2]) {}
  __device__ float at(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return data[b * batch + i * row + j * column];
  }
};

constexpr std::int64_t kStaged = 64;  // pairs whose lengths and factors are fetched at once

/// A block has a row of a, or a piece of it; a thread an element, whose slopes it adds j rising.
template <class T, class Metric>
__global__ void cdist_bwd_kernel(Metric metric, PairsIn<T> grad, const T* a, const T* b, PairsIn<T> y,
                                 T* grad_a, std::int64_t m, std::int64_t n, std::int64_t d,
                                 std::int64_t pieces) {
  using Real = typename Metric::Real;
  SHARED(Real, factors, [kStaged]);
  SHARED(float, lengths, [kStaged]);
  const std::int64_t row = blockIdx.x / pieces, batch = row / m, thread = threadIdx.x;
  const std::int64_t k = blockIdx.x % pieces * blockDim.x + thread;
  const float own = k < d ? widen(a[row * d + k]) : 0;
  Real total = 0;
  for (std::int64_t first = 0; first < n; first += kStaged) {
    const std::int64_t count = n - first < kStaged ? n - first : kStaged;
    for (std::int64_t j = thread; j < count; j += blockDim.x) {
      lengths[j] = y.at(batch, row % m, first + j);
      factors[j] = metric.factor(grad.at(batch, row % m, first + j), lengths[j]);
    }
    __syncthreads();
    for (std::int64_t j = 0; k < d && j < count; ++j)
      total += factors[j] * metric.slope(own - widen(b[(batch * n + first + j) * d + k]), lengths[j]);
    __syncthreads();
  }
  if (k < d) grad_a[row * d + k] = narrow<T>(static_cast<float>(total));
}

template <class T, class Metric>
void gradients(const Metric& metric, const View& grad, const View& a, const View& b, const View& y,
               const View& grad_a) {
  if (a.numel() == 0) return;
  const std::int64_t d = a.size[2], threads = reduce_threads(d), pieces = (d + threads - 1) / threads;
  launch<cdist_bwd_kernel<T, Metric>>({.grid = {static_cast<unsigned>(a.size[0] * a.size[1] * pieces)},
                                       .block = {static_cast<unsigned>(threads)}},
                                      current_stream(), metric, PairsIn<T>(grad), a.as<T>(), b.as<T>(),
                                      PairsIn<T>(y), grad_a.as<T>(), a.size[1], b.size[1], d, pieces);
}

bool is_simple(double p) { return p == 1 || p == 2 || std::isinf(p); }

template <class T>
void cdist_forward(Context&, View a, View b, View y, double p) {
  if (is_simple(p)) return distances<T>(Simple(p), a, b, y);
  distances<T>(Minkowski{p}, a, b, y);
}
template <class T>
void cdist_backward(Context&, View grad, View a, View b, View y, View grad_a, double p) {
  if (is_simple(p)) return gradients<T>(Simple(p), grad, a, b, y, grad_a);
  gradients<T>(Minkowski{p}, grad, a, b, y, grad_a);
}

TSR_DEVICE_KERNEL(cdist_fwd, cdist_forward, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(cdist_bwd, cdist_backward, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
