// Matrix products of views of any strides: float32 on the CUDA cores, and, when chosen, on the tensor cores
// as tf32; bfloat16 and float16 on the tensor cores.

#include "cuda/mma_gemm.h"
#include "cuda/sgemm.h"
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

/// The rows of a view, whose depth is its other axis: number `which` of the leading axes' views.
template <class T>
struct Operand {
  using Element = T;
  StridedLoop<3> leading;
  const T* data;
  std::int64_t step, depth_step;
  int which;
  bool along_depth, chunks;

  Operand(const StridedLoop<3>& leading, int which, const View& view, int place_axis, int depth_axis)
      : leading(leading),
        data(view.as<T>()),
        step(view.stride[place_axis]),
        depth_step(view.stride[depth_axis]),
        which(which),
        along_depth(depth_step == 1 || view.size[depth_axis] == 1),
        chunks(is_aligned(data, 16)) {
    const int along = along_depth ? depth_axis : place_axis, across = along_depth ? place_axis : depth_axis;
    chunks = chunks && (view.stride[along] == 1 || view.size[along] == 1) &&
             keeps_alignment<T>(view.size[across], view.stride[across]);
    for (int axis = 0; axis < leading.rank; ++axis)
      chunks = chunks && keeps_alignment<T>(leading.size[axis], leading.stride[axis][which]);
  }
  __device__ Matrix<T> of(std::int64_t batch) const {
    const auto offsets = leading.offsets(batch, leading.rank - 1);
    return {data + (which == 0 ? offsets[0] : offsets[1]), step, depth_step};
  }
};

/// y + bias, dense.
template <class T>
struct Result {
  using Element = T;
  T* y;
  const T* bias;  ///< or null
  std::int64_t m, n;
  bool pairs;

  Result(const View& y, const void* bias)
      : y(y.as<T>()),
        bias(static_cast<const T*>(bias)),
        m(y.size[y.rank - 2]),
        n(y.size[y.rank - 1]),
        pairs(n % 2 == 0 && is_aligned(y.data, 2 * sizeof(T))) {}
  __device__ T* at(std::int64_t batch, std::int64_t, std::int64_t row, std::int64_t col) const {
    return y + (batch * m + row) * n + col;
  }
  __device__ T finish(std::int64_t, std::int64_t, std::int64_t col, float sum) const {
    return narrow<T>(bias != nullptr ? sum + widen(bias[col]) : sum);
  }
};

struct CudaCores {
  template <class... Arguments>
  static void multiply(const Arguments&... arguments) {
    launch_sgemm(arguments...);
  }
};
struct TensorCores {
  template <class... Arguments>
  static void multiply(const Arguments&... arguments) {
    launch_mma_gemm(arguments...);
  }
};

template <class Cores>
struct Products {
  template <class T>
  static void matmul(Context&, View a, View b, View y) {
    const int row = y.rank - 2, col = y.rank - 1;
    const StridedLoop<3> leading = leading_axes(a, b, y);
    Cores::multiply(GemmShape{.batch = leading.count(), .m = y.size[row], .n = y.size[col], .k = a.size[col]},
                    Operand<T>(leading, 0, a, row, col), Operand<T>(leading, 1, b, col, row),
                    Result<T>(y, nullptr));
  }
  template <class T>
  static void linear(Context&, View x, View weight, View bias, View y) {
    const StridedLoop<3> leading = leading_axes(x, weight, y);
    Cores::multiply(GemmShape{.batch = 1, .m = y.size[0], .n = y.size[1], .k = x.size[1]},
                    Operand<T>(leading, 0, x, 0, 1), Operand<T>(leading, 1, weight, 0, 1),
                    Result<T>(y, bias.data));
  }
};

TSR_VARIANT_KERNEL(kHandwritten, matmul_fwd, Products<CudaCores>::matmul, float);
TSR_VARIANT_KERNEL(kHandwritten, matmul_fwd, Products<TensorCores>::matmul, BFloat16, Float16);
TSR_DEVICE_VARIANT(matmul_fwd, "tf32", Products<TensorCores>::matmul, float);
TSR_VARIANT_KERNEL(kHandwritten, linear_fwd, Products<CudaCores>::linear, float);
TSR_VARIANT_KERNEL(kHandwritten, linear_fwd, Products<TensorCores>::linear, BFloat16, Float16);
TSR_DEVICE_VARIANT(linear_fwd, "tf32", Products<TensorCores>::linear, float);

}  // namespace
}  // namespace tsr::TSR_BACKEND
