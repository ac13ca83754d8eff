// Products of float32 matrices by units that multiply bfloat16 alone.
//
// A float32 is the sum of three bfloat16, x = h + m + l, of 8 bits of its significand each, and six of the
// nine products that make x·y are worth a float32's digits: Henry, Tang and Heinecke, "Leveraging the
// bfloat16 artificial intelligence datatype for higher-precision computations" (2019). What is left out, m·l
// twice and l·l, is less than 2⁻²³ of x·y, and 2⁻²⁶ as a rule. Sums are float32.
#pragma once

#include "tensor/cpu/gemm_kernel.h"

namespace tsr::cpu {

/// Kernels on AMX's tiles, or on emulated ones where the environment asks for them; else null.
const TileKernels<float>* bf16x3_kernels();

/// The same kernels, with tiles in plain C++: slow, to be tested and stepped through on any machine.
const TileKernels<float>& emulated_bf16x3_kernels();

}  // namespace tsr::cpu
