#include "cuda/blas.h"

#include "cuda/operand_check.h"

namespace tsr::blas {
namespace {

constexpr const char* kWhere = "cublas: gemm";

/// All memory from the first to the last element of `batch` matrices whose stored columns have `rows`
/// elements.
Extent extent_of(const char* name, const void* data, std::int64_t rows, std::int64_t columns, std::int64_t ld,
                 std::int64_t batch, std::int64_t batch_stride) {
  return {name, data, (batch - 1) * batch_stride + (columns - 1) * ld + rows};
}

Extent check_operand(const char* name, const Operand& x, std::int64_t rows, std::int64_t columns,
                     const Gemm& gemm) {
  const std::int64_t stored_rows = x.transposed ? columns : rows,
                     stored_columns = x.transposed ? rows : columns;
  TSR_CHECK(x.ld >= stored_rows, kWhere, ": ", name, x.transposed ? " (transposed)" : "", " has ld ", x.ld,
            ", less than its ", stored_rows, " stored rows");
  TSR_CHECK(x.batch_stride >= 0, kWhere, ": ", name, " has batch stride ", x.batch_stride, ", below 0");
  const Extent extent =
      extent_of(name, x.data, stored_rows, stored_columns, x.ld, gemm.batch, x.batch_stride);
  check_extent(kWhere, extent, gemm.dtype);
  return extent;
}

}  // namespace

void check(const Gemm& g) {
  check_door_dtype(kWhere, g.dtype);
  TSR_CHECK(g.m > 0 && g.n > 0 && g.k > 0 && g.batch > 0, kWhere, ": m ", g.m, ", n ", g.n, ", k ", g.k,
            ", batch ", g.batch, "; all must be at least 1");
  const Extent a = check_operand("A", g.a, g.m, g.k, g), b = check_operand("B", g.b, g.k, g.n, g);
  TSR_CHECK(g.ldc >= g.m, kWhere, ": C has ld ", g.ldc, ", less than its ", g.m, " rows");
  TSR_CHECK(g.batch == 1 || g.batch_stride_c >= (g.n - 1) * g.ldc + g.m, kWhere, ": C has batch stride ",
            g.batch_stride_c, ", so that the results of a batch overlap");
  const Extent c = extent_of("C", g.c, g.m, g.n, g.ldc, g.batch, g.batch_stride_c);
  check_extent(kWhere, c, g.dtype);
  check_apart(kWhere, c, a, g.dtype);
  check_apart(kWhere, c, b, g.dtype);
  if (g.bias == nullptr) return;
  TSR_CHECK(g.beta == 0 && g.batch == 1, kWhere, ": a bias excludes beta (", g.beta, ") and a batch (",
            g.batch, ")");
  const Extent bias{"bias", g.bias, g.m};
  check_extent(kWhere, bias, g.dtype);
  check_apart(kWhere, c, bias, g.dtype);
}

}  // namespace tsr::blas
