#pragma once
// Kernels that visit each element once: a thread an element, in row-major order of a shape that several views
// share.

#include "cuda/kernel.h"
#include "tensor/strided.h"

namespace tsr::TSR_BACKEND {

inline constexpr unsigned kElementThreads = 256;

/// The element of this thread.
__device__ inline std::int64_t element_index() { return std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; }

/// Launches a kernel whose thread i serves element i of `count`; its first parameter is the count. Nothing
/// for none.
template <auto kernel, class... Arguments>
void launch_elements(std::int64_t count, const Arguments&... arguments) {
  if (count == 0) return;
  const auto blocks = static_cast<unsigned>((count + kElementThreads - 1) / kElementThreads);
  launch<kernel>({.grid = {blocks}, .block = {kElementThreads}}, current_stream(), count, arguments...);
}

}  // namespace tsr::TSR_BACKEND
