#pragma once
// The door to cuBLAS: one product, with the arguments that the library takes. On the emulator a plain kernel
// stands in, behind the same checks (cuda/stand_in/blas.cu).

#include <cstdint>

#include "tensor/context.h"
#include "tensor/dtype.h"

namespace tsr::blas {

/// A column-major matrix of the product, or its transpose: element (i, j) at i + j·ld, of the transpose at
/// j + i·ld. Distances are in elements.
struct Operand {
  const void* data = nullptr;
  bool transposed = false;
  std::int64_t ld = 0;
  std::int64_t batch_stride = 0;  ///< 0: one matrix for the whole batch
};

/// C = alpha·A·B + beta·C for each of `batch` matrices, or alpha·A·B + bias: A [m, k], B [k, n], C [m, n]
/// column-major, all of one dtype (float32, bfloat16, float16), summed and scaled in float32.
struct Gemm {
  DType dtype = DType::float32;
  std::int64_t m = 0, n = 0, k = 0, batch = 1;
  float alpha = 1, beta = 0;
  Operand a, b;
  void* c = nullptr;
  std::int64_t ldc = 0, batch_stride_c = 0;
  const void* bias = nullptr;  ///< or [m], one value a row of C, by cublasLt's epilogue
};

/// Throws Error for what cuBLAS would refuse, or read or write in the wrong place: a size below 1, a leading
/// dimension that is less than a column, results that overlap each other or an operand, a bias beside beta or
/// a batch.
void check(const Gemm& gemm);

}  // namespace tsr::blas

namespace tsr::cuda {
/// cublasGemmStridedBatchedEx, or with a bias cublasLtMatmul, behind check(). Queued on the current stream.
void gemm(Context& context, const blas::Gemm& gemm);
}  // namespace tsr::cuda

namespace tsr::emu {
/// The same by plain loops, as one kernel.
void gemm(Context& context, const blas::Gemm& gemm);
}  // namespace tsr::emu
