// The softmax of each row, y = exp(x) / Σ exp(x), kernel by kernel: docs/first-kernel.md.
#include "cuda/kernel.h"
#include "cuda/reduce.h"
#include "examples/kernel/softmax_ladder.h"
#include "tensor/error.h"
#include "tensor/kernels.h"
#include "tensor/online_softmax.h"

namespace tsr::TSR_BACKEND {
namespace {

constexpr unsigned kThreads = 256;

// ---- naive: a thread a row ----

/// exp leaves float from 89 on.
__global__ void naive_kernel(const float* x, float* y, std::int64_t rows, std::int64_t n) {
  const std::int64_t row = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  float sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += expf(x[row * n + i]);
  for (std::int64_t i = 0; i < n; ++i) y[row * n + i] = expf(x[row * n + i]) / sum;
}

// ---- safe: a block a row, and the largest logit subtracted ----

/// Combines a value of each thread; all get the result. `values` has room for one a thread.
template <class Combine>
__device__ float shared_reduce(float* values, float own, Combine combine) {
  values[threadIdx.x] = own;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) values[threadIdx.x] = combine(values[threadIdx.x], values[threadIdx.x + half]);
    __syncthreads();
  }
  const float result = values[0];
  __syncthreads();  // before the next call writes
  return result;
}

__global__ void safe_kernel(const float* x, float* y, std::int64_t n) {
  SHARED(float, values, [kThreads]);
  x += blockIdx.x * n;
  y += blockIdx.x * n;
  float own = -INFINITY;
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) own = fmaxf(own, x[i]);
  const float maximum = shared_reduce(values, own, Max{});
  own = 0;
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) own += expf(x[i] - maximum);
  const float sum = shared_reduce(values, own, Sum{});
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) y[i] = expf(x[i] - maximum) / sum;
}

// ---- warp: registers instead of shared memory ----

__global__ void warp_kernel(const float* x, float* y, std::int64_t n) {
  x += blockIdx.x * n;
  y += blockIdx.x * n;
  float own = -INFINITY;
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) own = fmaxf(own, x[i]);
  const float maximum = block_reduce(own, Max{});
  own = 0;
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) own += expf(x[i] - maximum);
  const float sum = block_reduce(own, Sum{});
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) y[i] = expf(x[i] - maximum) / sum;
}

// ---- vectorised: four numbers an instruction ----

__device__ float largest_of(float4 x) { return fmaxf(fmaxf(x.x, x.y), fmaxf(x.z, x.w)); }
__device__ float sum_exp_of(float4 x, float maximum) {
  return expf(x.x - maximum) + expf(x.y - maximum) + expf(x.z - maximum) + expf(x.w - maximum);
}

/// The last pass, over a row of `quads` times four numbers.
__device__ void write_weights(const float4* x, float4* y, std::int64_t quads, float maximum, float sum) {
  for (std::int64_t i = threadIdx.x; i < quads; i += blockDim.x) {
    const float4 four = x[i];
    const float4 result = make_float4(expf(four.x - maximum) / sum, expf(four.y - maximum) / sum,
                                      expf(four.z - maximum) / sum, expf(four.w - maximum) / sum);
    y[i] = result;
  }
}

__global__ void vectorised_kernel(const float4* x, float4* y, std::int64_t quads) {
  x += blockIdx.x * quads;
  y += blockIdx.x * quads;
  float own = -INFINITY;
  for (std::int64_t i = threadIdx.x; i < quads; i += blockDim.x) {
    const float4 four = x[i];
    own = fmaxf(own, largest_of(four));
  }
  const float maximum = block_reduce(own, Max{});
  own = 0;
  for (std::int64_t i = threadIdx.x; i < quads; i += blockDim.x) {
    const float4 four = x[i];
    own += sum_exp_of(four, maximum);
  }
  write_weights(x, y, quads, maximum, block_reduce(own, Sum{}));
}

// ---- online: maximum and sum in one pass ----

__global__ void online_kernel(const float4* x, float4* y, std::int64_t quads) {
  x += blockIdx.x * quads;
  y += blockIdx.x * quads;
  OnlineSoftmax<float> own;
  for (std::int64_t i = threadIdx.x; i < quads; i += blockDim.x) {
    const float4 four = x[i];
    own.raise(largest_of(four));
    own.sum += sum_exp_of(four, own.shift());
  }
  const float maximum = block_reduce(own.top, Max{});
  own.raise(maximum);
  write_weights(x, y, quads, maximum, block_reduce(own.sum, Sum{}));
}

// ---- launches ----

void naive(View x, View y) {
  const auto blocks = static_cast<unsigned>((x.size[0] + kThreads - 1) / kThreads);
  launch<naive_kernel>({.grid = {blocks}, .block = {kThreads}}, current_stream(), x.as<float>(),
                       y.as<float>(), x.size[0], x.size[1]);
}

template <auto kernel>
void block_a_row(View x, View y) {
  launch<kernel>({.grid = {static_cast<unsigned>(x.size[0])}, .block = {kThreads}}, current_stream(),
                 x.as<float>(), y.as<float>(), x.size[1]);
}

template <auto kernel>
void in_quads(View x, View y) {
  TSR_CHECK_INPUT(x.size[1] % 4 == 0, "rows of ", x.size[1], " numbers: 16-byte loads take a multiple of 4");
  launch<kernel>({.grid = {static_cast<unsigned>(x.size[0])}, .block = {kThreads}}, current_stream(),
                 reinterpret_cast<const float4*>(x.as<float>()), reinterpret_cast<float4*>(y.as<float>()),
                 x.size[1] / 4);
}

void shipped(View x, View y) {
  Context context(Device::TSR_BACKEND);
  softmax_fwd(context, x, y);
}

constexpr Rung kLadder[] = {{"naive", naive},
                            {"safe", block_a_row<safe_kernel>},
                            {"warp", block_a_row<warp_kernel>},
                            {"vectorised", in_quads<vectorised_kernel>},
                            {"online", in_quads<online_kernel>},
                            {"shipped", shipped}};

}  // namespace

std::span<const Rung> softmax_ladder() { return kLadder; }

}  // namespace tsr::TSR_BACKEND
