// Matrix products through cuBLAS's door. A dense y [m, n] is, in the library's eyes, the column-major matrix
// yᵀ [n, m] = bᵀ·aᵀ.
//
// The door takes a matrix with a dense axis whose other axis steps by at least that axis's length, and
// batches with one step each. A matrix with any other strides is first copied into workspace, broadcast
// leading axes once; leading axes that don't merge into one are walked, a call each position.

#include <optional>

#include "cuda/blas.h"
#include "cuda/variants.h"
#include "tensor/kernels.h"
#include "tensor/strided.h"

namespace tsr::TSR_BACKEND {
namespace {

/// The matrix [rows, columns] with these element steps as the door takes it; nothing when it can't.
std::optional<blas::Operand> operand(std::int64_t rows, std::int64_t columns, std::int64_t row_step,
                                     std::int64_t column_step) {
  if (rows == 1) row_step = 1;  // a step that is never taken
  if (columns == 1) column_step = row_step == 1 ? rows : 1;
  if (row_step == 1 && column_step >= rows) return blas::Operand{.transposed = false, .ld = column_step};
  if (column_step == 1 && row_step >= columns) return blas::Operand{.transposed = true, .ld = row_step};
  return std::nullopt;
}

std::optional<blas::Operand> transposed_operand(const View& x) {
  const int row = x.rank - 2, column = x.rank - 1;
  return operand(x.size[column], x.size[row], x.stride[column], x.stride[row]);
}

/// x itself when the door takes its matrices, else a dense copy; axes that repeat stay so.
View takeable(Context& context, const View& x) {
  bool leading_fits = true;
  for (int axis = 0; axis + 2 < x.rank; ++axis) leading_fits = leading_fits && x.stride[axis] >= 0;
  if (leading_fits && transposed_operand(x)) return x;
  View once = x;
  for (int axis = 0; axis + 2 < x.rank; ++axis)
    if (x.stride[axis] == 0) once.size[axis] = 1;
  View copy = once;
  copy.data = context.workspace(static_cast<std::size_t>(once.numel() * size_of(x.dtype)));
  std::int64_t step = 1;
  for (int axis = x.rank - 1; axis >= 0; --axis) {
    copy.stride[axis] = step;
    step *= copy.size[axis];
  }
  copy_fwd(context, once, copy);
  for (int axis = 0; axis + 2 < x.rank; ++axis)
    if (x.stride[axis] == 0) copy.size[axis] = x.size[axis], copy.stride[axis] = 0;
  return copy;
}

template <class T>
void matmul(Context& context, View a, View b, View y) {
  const int row = y.rank - 2, column = y.rank - 1;
  if (y.numel() == 0) return;
  if (a.size[column] == 0) return fill_fwd(context, y, 0);
  a = takeable(context, a), b = takeable(context, b);
  blas::Gemm gemm{.dtype = dtype_of<T>,
                  .m = y.size[column],
                  .n = y.size[row],
                  .k = a.size[column],
                  .a = *transposed_operand(b),
                  .b = *transposed_operand(a),
                  .ldc = y.size[column]};
  View batch_a = a, batch_b = b, batch_y = y;
  batch_a.rank = batch_b.rank = batch_y.rank = y.rank - 2;
  const StridedLoop<3> batches({&batch_a, &batch_b, &batch_y});
  const auto& step = batches.stride[batches.rank - 1];
  gemm.batch = batches.row();
  gemm.b.batch_stride = step[0], gemm.a.batch_stride = step[1], gemm.batch_stride_c = step[2];
  for (std::int64_t i = 0; i < batches.rows(); ++i) {
    const auto at = batches.offsets(i);
    gemm.b.data = a.as<T>() + at[0];
    gemm.a.data = b.as<T>() + at[1];
    gemm.c = y.as<T>() + at[2];
    TSR_BACKEND::gemm(context, gemm);
  }
}

template <class T>
void linear(Context& context, View x, View weight, View bias, View y) {
  if (y.numel() == 0) return;
  if (x.size[1] == 0) {
    if (bias.data == nullptr) return fill_fwd(context, y, 0);
    return copy_fwd(context, bias, y);
  }
  x = takeable(context, x), weight = takeable(context, weight);
  blas::Gemm gemm{.dtype = dtype_of<T>,
                  .m = y.size[1],
                  .n = y.size[0],
                  .k = x.size[1],
                  .a = *operand(weight.size[0], weight.size[1], weight.stride[0], weight.stride[1]),
                  .b = *transposed_operand(x),
                  .c = y.data,
                  .ldc = y.size[1],
                  .bias = bias.data};
  gemm.a.data = weight.data, gemm.b.data = x.data;
  TSR_BACKEND::gemm(context, gemm);
}

TSR_VARIANT_KERNEL(kLibrary, matmul_fwd, matmul, float, BFloat16, Float16);
TSR_VARIANT_KERNEL(kLibrary, linear_fwd, linear, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
