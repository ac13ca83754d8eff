// The softmax family along the last axis, a block a row, and L2 normalisation. Safe: exponents are of
// differences from the row's maximum.

#include "cuda/mixed.h"
#include "cuda/rows.h"
#include "tensor/kernels.h"
#include "tensor/online_softmax.h"

namespace tsr::TSR_BACKEND {
namespace {

struct RowStatistics {
  float maximum, sum;  ///< of exp(x - maximum)
};

/// The row is read once: each thread keeps the state of its own elements, which are merged.
template <class T>
__device__ RowStatistics row_statistics(const T* row, std::int64_t n) {
  OnlineSoftmax<float> own;
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) own.add(widen(row[i]));
  const float maximum = block_reduce(own.top, Max{});
  own.raise(maximum);
  return {maximum, block_reduce(own.sum, Sum{})};
}

template <class T>
__global__ void softmax_kernel(Rows rows, const T* x, T* y) {
  const T* row = x + rows.offset(blockIdx.x);
  const RowStatistics all = row_statistics(row, rows.n);
  for (std::int64_t i = threadIdx.x; i < rows.n; i += blockDim.x)
    y[blockIdx.x * rows.n + i] = narrow<T>(expf(widen(row[i]) - all.maximum) / all.sum);
}

template <class T>
__global__ void log_softmax_kernel(Rows rows, const T* x, T* y) {
  const T* row = x + rows.offset(blockIdx.x);
  const RowStatistics all = row_statistics(row, rows.n);
  const float log_sum = logf(all.sum);
  for (std::int64_t i = threadIdx.x; i < rows.n; i += blockDim.x)
    y[blockIdx.x * rows.n + i] = narrow<T>(widen(row[i]) - all.maximum - log_sum);
}

template <class T>
__global__ void logsumexp_kernel(Rows rows, const T* x, T* y) {
  const RowStatistics all = row_statistics(x + rows.offset(blockIdx.x), rows.n);
  if (threadIdx.x == 0)
    y[blockIdx.x] = narrow<T>(isinf(all.maximum) ? all.maximum : all.maximum + logf(all.sum));
}

template <class T>
__global__ void l2_normalize_kernel(Rows rows, const T* x, T* y, MixedOut<T> norms, float epsilon) {
  const T* row = x + rows.offset(blockIdx.x);
  // in units of the largest element: neither 1e30 nor 1e-30 leaves float's range
  const float largest = reduce_over(rows.n, Max{}, [&](std::int64_t i) { return fabsf(widen(row[i])); });
  const float unit = largest > 0 ? largest : 1;
  const float squares = reduce_over(rows.n, Sum{}, [&](std::int64_t i) {
    const float part = widen(row[i]) / unit;
    return part * part;
  });
  const float length = unit * sqrtf(squares), norm = length < epsilon ? epsilon : length;
  if (threadIdx.x == 0) norms.set(blockIdx.x, norm);
  for (std::int64_t i = threadIdx.x; i < rows.n; i += blockDim.x)
    y[blockIdx.x * rows.n + i] = narrow<T>(widen(row[i]) / norm);
}

template <class T>
void softmax(Context&, View x, View y) {
  launch_rows<softmax_kernel<T>>(Rows(x), x.as<T>(), y.as<T>());
}
template <class T>
void log_softmax(Context&, View x, View y) {
  launch_rows<log_softmax_kernel<T>>(Rows(x), x.as<T>(), y.as<T>());
}
template <class T>
void logsumexp(Context&, View x, View y) {
  launch_rows<logsumexp_kernel<T>>(Rows(x), x.as<T>(), y.as<T>());
}
template <class T>
void l2_normalize(Context&, View x, View y, View norm, double epsilon) {
  launch_rows<l2_normalize_kernel<T>>(Rows(x), x.as<T>(), y.as<T>(), MixedOut<T>(norm),
                                      static_cast<float>(epsilon));
}

TSR_DEVICE_KERNEL(softmax_fwd, softmax, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(log_softmax_fwd, log_softmax, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(logsumexp_fwd, logsumexp, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(l2_normalize_fwd, l2_normalize, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
