// Matrix products of views of any strides, on the CUDA cores.

#include "cuda/gemm_tile.h"
#include "cuda/variants.h"
#include "tensor/kernels.h"
#include "tensor/strided.h"

namespace tsr::TSR_BACKEND {
namespace {

/// The leading axes of both operands and the result, of which each matrix of the batch is one position.
StridedLoop<3> leading_axes(View a, View b, View y) {
  a.rank -= 2, b.rank -= 2, y.rank -= 2;
  return StridedLoop<3>({&a, &b, &y});
}

/// Operand number `which` of the leading axes, a matrix with element (i, k) at i·step + k·depth_step.
template <class T, int which>
struct Matrix {
  StridedLoop<3> leading;
  const T* data;
  std::int64_t step, depth_step;
  bool along_depth;

  Matrix(const StridedLoop<3>& leading, const View& view, std::int64_t step, std::int64_t depth_step)
      : leading(leading),
        data(view.as<T>()),
        step(step),
        depth_step(depth_step),
        along_depth(depth_step == 1) {}
  __device__ float at(std::int64_t batch, std::int64_t i, std::int64_t k) const {
    return widen(data[leading.offsets(batch, leading.rank - 1)[which] + i * step + k * depth_step]);
  }
};
template <class T>
struct Left : Matrix<T, 0> {
  using Matrix<T, 0>::Matrix;
  __device__ float operator()(std::int64_t batch, std::int64_t row, std::int64_t k) const {
    return this->at(batch, row, k);
  }
};
template <class T>
struct Right : Matrix<T, 1> {
  using Matrix<T, 1>::Matrix;
  __device__ float operator()(std::int64_t batch, std::int64_t k, std::int64_t col) const {
    return this->at(batch, col, k);
  }
};

/// y + bias, dense.
template <class T>
struct Result {
  T* y;
  const T* bias;  ///< or null
  std::int64_t m, n;
  __device__ void operator()(std::int64_t batch, std::int64_t, std::int64_t row, std::int64_t col,
                             float value) const {
    if (bias != nullptr) value += widen(bias[col]);
    y[(batch * m + row) * n + col] = narrow<T>(value);
  }
};

template <class T>
void matmul(Context&, View a, View b, View y) {
  const int row = y.rank - 2, col = y.rank - 1;
  const StridedLoop<3> leading = leading_axes(a, b, y);
  const GemmShape shape{.batch = leading.count(), .m = y.size[row], .n = y.size[col], .k = a.size[col]};
  launch_gemm(shape, Left<T>(leading, a, a.stride[row], a.stride[col]),
              Right<T>(leading, b, b.stride[col], b.stride[row]),
              Result<T>{y.as<T>(), nullptr, shape.m, shape.n});
}

template <class T>
void linear(Context&, View x, View weight, View bias, View y) {
  const StridedLoop<3> leading = leading_axes(x, weight, y);
  const GemmShape shape{.batch = 1, .m = y.size[0], .n = y.size[1], .k = x.size[1]};
  launch_gemm(shape, Left<T>(leading, x, x.stride[0], x.stride[1]),
              Right<T>(leading, weight, weight.stride[0], weight.stride[1]),
              Result<T>{y.as<T>(), static_cast<const T*>(bias.data), shape.m, shape.n});
}

TSR_VARIANT_KERNEL(kHandwritten, matmul_fwd, matmul, float, BFloat16, Float16);
TSR_VARIANT_KERNEL(kHandwritten, linear_fwd, linear, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
