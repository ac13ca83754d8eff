// cumsum, kept in double while it runs. Portions of a line are summed first; each then starts from the sum of
// those before it.

#include "cuda/columns.h"
#include "cuda/elements.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

/// x as [outer, n, inner], from the end of the lines when reverse.
template <class T>
struct Lines {
  const T* x;
  std::int64_t n, inner;
  bool reverse;

  __device__ std::int64_t offset(std::int64_t outer, std::int64_t row, std::int64_t column) const {
    return (outer * n + (reverse ? n - 1 - row : row)) * inner + column;
  }
  /// The sum of a thread's rows.
  __device__ double operator()(const ColumnPlace& at) const {
    double sum = 0;
    for (std::int64_t row = at.first; row < at.last; row += at.step)
      sum += widen(x[offset(at.batch, row, at.column)]);
    return sum;
  }
};

/// A thread a line: what its portions sum to becomes what each starts from.
__global__ void starts_kernel(std::int64_t count, ColumnShape shape, double* portions) {
  const std::int64_t line = element_index();
  if (line >= count) return;
  double sum = 0;
  for (std::int64_t split = 0; split < shape.splits; ++split) {
    double& portion =
        portions[(line / shape.columns * shape.splits + split) * shape.columns + line % shape.columns];
    const double own = portion;
    portion = sum;
    sum += own;
  }
}

/// Each thread gets the sum over its strip and those before it in the block (Hillis & Steele 1986).
__device__ double scan_strips(const ColumnShape& shape, double own, double (&sums)[ColumnShape::kThreads]) {
  const std::int64_t thread = threadIdx.x;
  for (std::int64_t reach = shape.width; reach < blockDim.x; reach *= 2) {
    sums[thread] = own;
    __syncthreads();
    if (thread >= reach) own += sums[thread - reach];
    __syncthreads();
  }
  return own;
}

template <class T>
__global__ void scan_kernel(ColumnShape shape, Lines<T> lines, const double* starts, T* y) {
  SHARED(double, sums, [ColumnShape::kThreads]);
  const ColumnPlace at(shape);
  double start = at.inside ? starts[(at.batch * shape.splits + at.split) * shape.columns + at.column] : 0;
  for (std::int64_t row = at.first; row - at.strip < at.last; row += at.step) {
    const bool here = at.inside && row < at.last;
    const std::int64_t i = here ? lines.offset(at.batch, row, at.column) : 0;
    const double sum = start + scan_strips(shape, here ? static_cast<double>(widen(lines.x[i])) : 0, sums);
    if (here) y[i] = narrow<T>(static_cast<float>(sum));
    sums[threadIdx.x] = sum;
    __syncthreads();
    start = sums[(shape.height - 1) * shape.width + threadIdx.x % shape.width];
    __syncthreads();
  }
}

template <class T>
void cumsum(Context& context, View x, View y, bool reverse) {
  const ColumnShape shape(x.size[0], x.size[1], x.size[2]);
  const Lines<T> lines{x.as<T>(), x.size[1], x.size[2], reverse};
  double* starts = reduce_portions<double>(context, shape, Sum{}, lines);
  if (shape.splits > 0) launch_elements<starts_kernel>(shape.results(), shape, starts);
  launch_columns<scan_kernel<T>>(shape, lines, starts, y.as<T>());
}

TSR_DEVICE_KERNEL(cumsum_fwd, cumsum, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
