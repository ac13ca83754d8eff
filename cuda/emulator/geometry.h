#pragma once
// Where a thread is in its grid: the built-in variables of a kernel.

namespace tsr::emu {

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
inline constexpr int warpSize = 32;

// Real variables, so that a debugger shows them. The initial-exec model keeps a read as cheap as a global's.
#define TSR_EMU_BUILT_IN extern thread_local constinit __attribute__((tls_model("initial-exec")))
TSR_EMU_BUILT_IN uint3 threadIdx;
TSR_EMU_BUILT_IN uint3 blockIdx;
TSR_EMU_BUILT_IN dim3 blockDim;
TSR_EMU_BUILT_IN dim3 gridDim;
#undef TSR_EMU_BUILT_IN

}  // namespace tsr::emu
