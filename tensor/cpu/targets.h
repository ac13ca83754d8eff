// Instruction sets that the CPU kernels are compiled for. Included first by every file that uses Highway.
#ifndef TESSERA_TENSOR_CPU_TARGETS_H_
#define TESSERA_TENSOR_CPU_TARGETS_H_

// Baseline, AVX2 and AVX-512 cover what is in use; each further target costs compile time.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)

#endif
