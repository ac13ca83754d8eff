#pragma once
// Every call of the CUDA runtime goes through check().

#include <cuda_runtime_api.h>
#include <string_view>

namespace tsr::cuda {

/// Throws Error, "cuda: WHAT: the runtime's words", unless the call went well. `what` is the call, or the
/// kernel that was launched; work that fails later is reported by the call that waits for it.
void check(cudaError_t code, std::string_view what);

}  // namespace tsr::cuda
