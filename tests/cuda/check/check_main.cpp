// Broken kernels beside their correct twins: each broken one must be told its kind and line, each twin
// nothing.
#include <iostream>

#define TSR_BACKEND emu
#include "cuda/emulator/watch.h"
#include "cuda/ptx.h"

namespace tsr::emu {
namespace {

template <bool broken>
__global__ void barrier_kernel(int* x) {
  SHARED(int, tile, [64]);
  tile[threadIdx.x] = x[threadIdx.x];
  if constexpr (!broken) __syncthreads();
  x[threadIdx.x] = tile[63 - threadIdx.x];
}
template <bool broken>
__global__ void warp_kernel(int* x) {
  SHARED(int, tile, [32]);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncwarp();
  x[threadIdx.x] = tile[31 - threadIdx.x];
  if constexpr (!broken) __syncwarp();
  tile[threadIdx.x] = 1;
}
template <bool broken>
__global__ void bounds_kernel(int* x) {
  x[threadIdx.x + (broken ? 1 : 0)] = 1;
}
template <bool broken>
__global__ void shared_bounds_kernel(int* x) {
  SHARED(int, tile, [64]);
  tile[threadIdx.x + (broken ? 1 : 0)] = x[threadIdx.x];
}
template <bool broken>
__global__ void blocks_kernel(int* x) {
  if (threadIdx.x == 0) x[broken ? 0 : blockIdx.x] = 1;
}
template <bool broken>
__global__ void counter_kernel(int* x) {
  if constexpr (broken) {
    x[0] += 1;
  } else {
    atomicAdd(x, 1);
  }
}
template <bool broken>
__global__ void vector_kernel(int* x) {
  if (threadIdx.x == 0) *reinterpret_cast<int4*>(x + (broken ? 1 : 0)) = make_int4(1, 2, 3, 4);
}
template <bool broken>
__global__ void copy_kernel(int* x) {
  SHARED(int, tile, [64]);
  cp_async<4>(&tile[threadIdx.x], x + threadIdx.x);
  cp_async_commit();
  cp_async_wait<broken ? 1 : 0>();
  x[threadIdx.x] = tile[threadIdx.x];
}
template <bool broken>
__global__ void copy_barrier_kernel(int* x) {
  SHARED(int, tile, [64]);
  cp_async<4>(&tile[threadIdx.x], x + threadIdx.x);
  cp_async_commit();
  cp_async_wait<0>();
  if constexpr (!broken) __syncthreads();
  x[threadIdx.x] = tile[threadIdx.x / 2];
}
template <bool broken>
__global__ void copy_source_kernel(int* x) {
  SHARED(int, tile, [64]);
  cp_async<8>(&tile[2 * threadIdx.x], x + 64, broken ? 4 : 0);  // only valid bytes are read
}
template <bool broken>
__global__ void copy_target_kernel(int* x) {
  SHARED(int, tile, [2][64]);
  for (int i = 0; i < 2; ++i) {
    cp_async<4>(&tile[broken ? 0 : i][threadIdx.x], x + threadIdx.x);
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    x[threadIdx.x] = tile[broken ? 0 : i][63 - threadIdx.x];
  }
}
template <bool broken>
__global__ void ldmatrix_kernel(int* x) {
  SHARED(int4, tile, [32]);
  FragmentA<Float16> a;
  tile[threadIdx.x] = make_int4(1, 2, 3, 4);
  if constexpr (!broken) __syncwarp();
  ldmatrix_x4(a, &tile[threadIdx.x ^ 1]);
  x[threadIdx.x] = static_cast<int>(a.reg[0]);
}
template <bool broken>
__global__ void ldmatrix_bounds_kernel(int* x) {
  SHARED(int4, tile, [32]);
  FragmentB<Float16> b;
  tile[threadIdx.x] = make_int4(1, 2, 3, 4);
  __syncwarp();
  ldmatrix_x2(b, &tile[threadIdx.x + (broken ? 17 : 16)]);
  x[threadIdx.x] = static_cast<int>(b.reg[0]);
}

int failures = 0;
template <auto kernel>
void run(unsigned blocks, unsigned threads, const char* expected) {
  void* x = watch::device_memory().allocate(256);
  std::string found;
  try {
    Stream stream;
    launch<kernel>({.grid = {blocks}, .block = {threads}}, stream, static_cast<int*>(x));
  } catch (const Error& error) {
    found = error.what();
  }
  watch::device_memory().release(x, 256);
  const bool good = *expected == 0 ? found.empty() : found.find(expected) != std::string::npos;
  failures += good ? 0 : 1;
  std::cout << (good ? "ok    " : "FAILED ") << (found.empty() ? "clean" : found) << '\n';
}
#define PAIR(kernel, blocks, threads, expected) \
  run<kernel<true>>(blocks, threads, expected), run<kernel<false>>(blocks, threads, "")

}  // namespace
}  // namespace tsr::emu

int main() {
  using namespace tsr::emu;
  PAIR(barrier_kernel, 1, 64, "check_main.cpp:17: unwritten");
  PAIR(warp_kernel, 1, 32, "check_main.cpp:24: race");
  PAIR(bounds_kernel, 1, 64, "check_main.cpp:30: out of bounds");
  PAIR(shared_bounds_kernel, 1, 64, "check_main.cpp:35: out of bounds");
  PAIR(blocks_kernel, 2, 32, "check_main.cpp:39: race");
  PAIR(counter_kernel, 1, 64, "check_main.cpp:44: race");
  PAIR(vector_kernel, 1, 32, "check_main.cpp:51: misaligned");
  PAIR(copy_kernel, 1, 64, "check_main.cpp:59: touches what");
  PAIR(copy_barrier_kernel, 1, 64, "check_main.cpp:68: race");
  PAIR(copy_source_kernel, 1, 32, "check_main.cpp:73: out of bounds");
  PAIR(copy_target_kernel, 1, 64, "check_main.cpp:83: race");
  PAIR(ldmatrix_kernel, 1, 32, "check_main.cpp:92: unwritten");
  PAIR(ldmatrix_bounds_kernel, 1, 32, "check_main.cpp:101: out of bounds");
  return failures == 0 ? 0 : 1;
}
