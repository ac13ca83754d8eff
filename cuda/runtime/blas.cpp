// cuBLAS's side of its door.

#include "cuda/blas.h"

#include <algorithm>
#include <bit>
#include <cublasLt.h>
#include <cublas_v2.h>
#include <initializer_list>
#include <memory>

#include "cuda/runtime/check.h"
#include "cuda/runtime/stream.h"

namespace tsr::cuda {
namespace {

/// What NVIDIA recommends for Hopper; smaller devices use less of it.
constexpr std::size_t kWorkspace = 32 << 20;

void check_blas(cublasStatus_t status, const char* call) {
  TSR_CHECK(status == CUBLAS_STATUS_SUCCESS, "cuda: ", call, ": ", cublasGetStatusString(status));
}

cudaDataType_t data_type(DType dtype) {
  return dtype == DType::bfloat16 ? CUDA_R_16BF : dtype == DType::float16 ? CUDA_R_16F : CUDA_R_32F;
}
cublasOperation_t operation(const blas::Operand& x) { return x.transposed ? CUBLAS_OP_T : CUBLAS_OP_N; }

/// A handle an OS thread, as cuBLAS wants. Never destroyed: that would wait for the device at a thread's end.
cublasHandle_t blas_handle() {
  thread_local const cublasHandle_t handle = [] {
    cublasHandle_t fresh = nullptr;
    check_blas(cublasCreate(&fresh), "cublasCreate");
    // sums stay in float32 between the parts of a split product
    const auto mode =
        static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION);
    check_blas(cublasSetMathMode(fresh, mode), "cublasSetMathMode");
    return fresh;
  }();
  return handle;
}
cublasLtHandle_t light_handle() {
  thread_local const cublasLtHandle_t handle = [] {
    cublasLtHandle_t fresh = nullptr;
    check_blas(cublasLtCreate(&fresh), "cublasLtCreate");
    return fresh;
  }();
  return handle;
}

void multiply(Context& context, const blas::Gemm& g) {
  const cublasHandle_t handle = blas_handle();
  check_blas(cublasSetStream(handle, current_stream().handle()), "cublasSetStream");
  // its own workspace a call makes two streams of one thread, and two runs, agree; set after the stream
  check_blas(cublasSetWorkspace(handle, context.workspace(kWorkspace), kWorkspace), "cublasSetWorkspace");
  const cudaDataType_t type = data_type(g.dtype);
  check_blas(cublasGemmStridedBatchedEx_64(handle, operation(g.a), operation(g.b), g.m, g.n, g.k, &g.alpha,
                                           g.a.data, type, g.a.ld, g.a.batch_stride, g.b.data, type, g.b.ld,
                                           g.b.batch_stride, &g.beta, g.c, type, g.ldc, g.batch_stride_c,
                                           g.batch, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
             "cublasGemmStridedBatchedEx");
}

template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* object) const {
    destroy(object);
  }
};
using ProductDescription = std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy<&cublasLtMatmulDescDestroy>>;
using Layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy<&cublasLtMatrixLayoutDestroy>>;
using Preference =
    std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Destroy<&cublasLtMatmulPreferenceDestroy>>;

Layout layout(DType dtype, std::int64_t rows, std::int64_t columns, std::int64_t ld) {
  cublasLtMatrixLayout_t fresh = nullptr;
  check_blas(cublasLtMatrixLayoutCreate(&fresh, data_type(dtype), static_cast<std::uint64_t>(rows),
                                        static_cast<std::uint64_t>(columns), ld),
             "cublasLtMatrixLayoutCreate");
  return Layout(fresh);
}
Layout layout(DType dtype, const blas::Operand& x, std::int64_t rows, std::int64_t columns) {
  return x.transposed ? layout(dtype, columns, rows, x.ld) : layout(dtype, rows, columns, x.ld);
}

template <class T>
void set(const ProductDescription& product, cublasLtMatmulDescAttributes_t attribute, const T& value) {
  check_blas(cublasLtMatmulDescSetAttribute(product.get(), attribute, &value, sizeof value),
             "cublasLtMatmulDescSetAttribute");
}
template <class T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t attribute, const T& value) {
  check_blas(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value),
             "cublasLtMatmulPreferenceSetAttribute");
}

ProductDescription describe(const blas::Gemm& g) {
  cublasLtMatmulDesc_t fresh = nullptr;
  check_blas(cublasLtMatmulDescCreate(&fresh, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
  ProductDescription product(fresh);
  set(product, CUBLASLT_MATMUL_DESC_TRANSA, operation(g.a));
  set(product, CUBLASLT_MATMUL_DESC_TRANSB, operation(g.b));
  set(product, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
  set(product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, g.bias);
  set(product, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, data_type(g.dtype));
  return product;
}

/// The largest power of two, up to 256, that divides the address.
std::uint32_t alignment(const void* data) {
  constexpr int kMost = 8;
  return 1u << std::min(kMost, std::countr_zero(reinterpret_cast<std::uintptr_t>(data)));
}

/// How much memory cublasLt may use, and what it may assume of the addresses.
Preference preference(const blas::Gemm& g) {
  cublasLtMatmulPreference_t fresh = nullptr;
  check_blas(cublasLtMatmulPreferenceCreate(&fresh), "cublasLtMatmulPreferenceCreate");
  Preference result(fresh);
  set(result, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspace);
  // partial sums of a split product in float32 here too
  set(result, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      std::uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  set(result, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(g.a.data));
  set(result, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(g.b.data));
  set(result, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(g.c));
  set(result, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(g.c));
  return result;
}

void multiply_and_add_bias(Context& context, const blas::Gemm& g) {
  const ProductDescription product = describe(g);
  const Layout a = layout(g.dtype, g.a, g.m, g.k), b = layout(g.dtype, g.b, g.k, g.n),
               c = layout(g.dtype, g.m, g.n, g.ldc);
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  check_blas(cublasLtMatmulAlgoGetHeuristic(light_handle(), product.get(), a.get(), b.get(), c.get(), c.get(),
                                            preference(g).get(), 1, &best, &found),
             "cublasLtMatmulAlgoGetHeuristic");
  TSR_CHECK(found > 0, "cuda: cublasLtMatmulAlgoGetHeuristic: nothing for m ", g.m, ", n ", g.n, ", k ", g.k,
            " in ", g.dtype, "; take handwritten kernels");
  check_blas(
      cublasLtMatmul(light_handle(), product.get(), &g.alpha, g.a.data, a.get(), g.b.data, b.get(), &g.beta,
                     g.c, c.get(), g.c, c.get(), &best.algo, context.workspace(best.workspaceSize),
                     best.workspaceSize, current_stream().handle()),
      "cublasLtMatmul");
}

}  // namespace

void gemm(Context& context, const blas::Gemm& g) {
  blas::check(g);
  if (g.bias == nullptr) return multiply(context, g);
  multiply_and_add_bias(context, g);
}

}  // namespace tsr::cuda
