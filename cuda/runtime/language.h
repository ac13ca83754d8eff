#pragma once
// What cuda/kernel.h promises, for nvcc.

#include <cstddef>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <utility>

#include "cuda/kernel_name.h"
#include "cuda/runtime/check.h"
#include "cuda/runtime/stream.h"

#define SHARED(type, name, extent) __shared__ type name extent
#define UNROLL _Pragma("unroll")
#define DYN_SHARED(name)                                         \
  extern __shared__ __align__(128) unsigned char name##_bytes[]; \
  ::std::byte* const name = reinterpret_cast<::std::byte*>(name##_bytes)

namespace tsr::cuda {

/// What one kernel launch asks for.
struct LaunchShape {
  dim3 grid, block;
  std::size_t shared_bytes = 0;  ///< dynamic shared memory a block
};

/// A kernel's address with the types of its parameters.
template <auto kernel>
struct Launchable;
template <class... Parameters, void (*kernel)(Parameters...)>
struct Launchable<kernel> {
  static void launch(const LaunchShape& shape, Stream& stream, Parameters... parameters) {
    constexpr std::size_t kGiven = 48 << 10;  // to a block, what it declares included; more must be asked for
    static const std::size_t declared = [] {
      cudaFuncAttributes attributes{};
      check(cudaFuncGetAttributes(&attributes, kernel), kernel_name<kernel>());
      return attributes.sharedSizeBytes;
    }();
    if (declared + shape.shared_bytes > kGiven)
      check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(shape.shared_bytes)),
            kernel_name<kernel>());
    cudaLaunchConfig_t config{};
    config.gridDim = shape.grid;
    config.blockDim = shape.block;
    config.dynamicSmemBytes = shape.shared_bytes;
    config.stream = stream.handle();
    check(cudaLaunchKernelEx(&config, kernel, parameters...), kernel_name<kernel>());
    stream.queued(kernel_name<kernel>());
  }
};

/// launch<softmax_kernel<float>>({.grid = {rows}, .block = {256}}, stream, x, y, n): queues the kernel over a
/// grid.
template <auto kernel, class... Arguments>
void launch(const LaunchShape& shape, Stream& stream, const Arguments&... arguments) {
  Launchable<kernel>::launch(shape, stream, arguments...);
}

}  // namespace tsr::cuda
