// What cuBLAS does with its arguments, by plain loops.

#include "cuda/blas.h"
#include "cuda/elements.h"
#include "cuda/numeric.h"

namespace tsr::TSR_BACKEND {
namespace {

template <class T>
__device__ float element(const blas::Operand& x, std::int64_t matrix, std::int64_t i, std::int64_t j) {
  const T* data = static_cast<const T*>(x.data) + matrix * x.batch_stride;
  return widen(x.transposed ? data[j + i * x.ld] : data[i + j * x.ld]);
}

/// A thread an element of C, m running fastest.
template <class T>
__global__ void gemm_stand_in_kernel(std::int64_t count, blas::Gemm g) {
  const std::int64_t index = element_index();
  if (index >= count) return;
  const std::int64_t i = index % g.m, j = index / g.m % g.n, matrix = index / (g.m * g.n);
  float sum = 0;
  for (std::int64_t l = 0; l < g.k; ++l) sum += element<T>(g.a, matrix, i, l) * element<T>(g.b, matrix, l, j);
  T& c = static_cast<T*>(g.c)[matrix * g.batch_stride_c + i + j * g.ldc];
  float value = g.alpha * sum;
  if (g.beta != 0) value += g.beta * widen(c);  // with beta 0 what C held is not read: it may be NaN
  if (g.bias != nullptr) value += widen(static_cast<const T*>(g.bias)[i]);
  c = narrow<T>(value);
}

template <class T>
void launch_stand_in(const blas::Gemm& g) {
  launch_elements<gemm_stand_in_kernel<T>>(g.batch * g.m * g.n, g);
}

}  // namespace

void gemm(Context&, const blas::Gemm& g) {
  blas::check(g);
  switch (g.dtype) {
    case DType::bfloat16:
      return launch_stand_in<BFloat16>(g);
    case DType::float16:
      return launch_stand_in<Float16>(g);
    default:
      return launch_stand_in<float>(g);
  }
}

}  // namespace tsr::TSR_BACKEND
