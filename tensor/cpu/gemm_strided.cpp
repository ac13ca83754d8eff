// Packers of matrices that lie in memory with any strides.
#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/gemm_strided.cpp"
#include <algorithm>
#include <type_traits>

#include "hwy/foreach_target.h"
#include "tensor/cpu/columns-inl.h"
#include "tensor/cpu/convert-inl.h"
#include "tensor/cpu/copy-inl.h"
#include "tensor/cpu/gemm.h"
#include "tensor/cpu/highway.h"
#include "tensor/cpu/transpose-inl.h"

#ifndef TESSERA_TENSOR_CPU_GEMM_STRIDED_ONCE_
#define TESSERA_TENSOR_CPU_GEMM_STRIDED_ONCE_
namespace tsr::cpu {

/// The packers of one instruction set.
template <class T>
struct StridedPackers {
  Block2d<T> (*a)(const void*, const BlockRequest<T>&);
  Panel<T> (*b)(const void*, const PanelRequest<T>&);
};

}  // namespace tsr::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class S, class T>
Block2d<T> pack_rows(const StridedMatrix<S>& x, const BlockRequest<T>& r) {
  const S* from = x.data + r.batch * x.batch_stride + r.row * x.row_stride + r.depth_begin * x.col_stride;
  for (std::int64_t i = 0; i < r.rows; ++i) {
    T* to = r.buffer + i * r.row_stride;
    const S* row = from + i * x.row_stride;
    if (x.col_stride == 1) {
      copy_run(row, r.depth, to);
    } else {
      for (std::int64_t k = 0; k < r.depth; ++k) to[k] = static_cast<T>(row[k * x.col_stride]);
    }
  }
  return block_of_rows(r);
}

template <class S, class T>
Block2d<T> pack_columns(const StridedMatrix<S>& x, const BlockRequest<T>& r) {
  const S* from = x.data + r.batch * x.batch_stride + r.row * x.row_stride + r.depth_begin * x.col_stride;
  for (std::int64_t k = 0; k < r.depth; ++k) copy_column(from + k * x.col_stride, r, k);
  return block_of_columns(r);
}

template <class S, class T>
Block2d<T> pack_a(const StridedMatrix<S>& x, const BlockRequest<T>& request) {
  if constexpr (std::is_same_v<S, T>) {
    if (request.read_once) {
      const S* from = x.data + request.batch * x.batch_stride + request.row * x.row_stride +
                      request.depth_begin * x.col_stride;
      return {from, x.row_stride, x.col_stride, request.tile_rows * x.row_stride};
    }
  }
  return x.row_stride == 1 && x.col_stride != 1 ? pack_columns(x, request) : pack_rows(x, request);
}

template <class S, class T>
Panel<T> pack_b(const StridedMatrix<S>& x, const PanelRequest<T>& r) {
  const S* from = x.data + r.batch * x.batch_stride + r.depth_begin * x.row_stride + r.col * x.col_stride;
  const Panel<T> packed{r.buffer, r.width};
  if (x.col_stride == 1) {
    if constexpr (std::is_same_v<S, T>) {
      if (r.read_once && r.cols == r.width) return {from, x.row_stride};
    }
    for (std::int64_t k = 0; k < r.depth; ++k)
      copy_run(from + k * x.row_stride, r.cols, r.buffer + k * r.width);
    return packed;
  }
  if constexpr (std::is_same_v<S, T>) {
    if (x.row_stride == 1) {
      transpose(from, x.col_stride, r.cols, r.depth, r.buffer, r.width);
      return packed;
    }
  }
  // A few depths of all columns at a time: the lines being read and written both stay in the first-level
  // cache.
  constexpr std::int64_t kStep = 16;
  for (std::int64_t begin = 0; begin < r.depth; begin += kStep) {
    const std::int64_t end = std::min(r.depth, begin + kStep);
    for (std::int64_t j = 0; j < r.cols; ++j) {
      const S* column = from + j * x.col_stride;
      for (std::int64_t k = begin; k < end; ++k)
        r.buffer[k * r.width + j] = static_cast<T>(column[k * x.row_stride]);
    }
  }
  return packed;
}

template <class S>
StridedPackers<Compute<S>> packers() {
  using T = Compute<S>;
  return {[](const void* state, const BlockRequest<T>& request) {
            return pack_a(*static_cast<const StridedMatrix<S>*>(state), request);
          },
          [](const void* state, const PanelRequest<T>& request) {
            return pack_b(*static_cast<const StridedMatrix<S>*>(state), request);
          }};
}

StridedPackers<float> packers_float() { return packers<float>(); }
StridedPackers<double> packers_double() { return packers<double>(); }
StridedPackers<float> packers_bfloat16() { return packers<BFloat16>(); }
StridedPackers<float> packers_float16() { return packers<Float16>(); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {
namespace {

HWY_EXPORT(packers_float);
HWY_EXPORT(packers_double);
HWY_EXPORT(packers_bfloat16);
HWY_EXPORT(packers_float16);

template <class S>
const StridedPackers<Compute<S>>& packers() {
  static const StridedPackers<Compute<S>> chosen = [] {
    if constexpr (std::is_same_v<S, float>) {
      return HWY_DYNAMIC_DISPATCH(packers_float)();
    } else if constexpr (std::is_same_v<S, double>) {
      return HWY_DYNAMIC_DISPATCH(packers_double)();
    } else if constexpr (std::is_same_v<S, BFloat16>) {
      return HWY_DYNAMIC_DISPATCH(packers_bfloat16)();
    } else {
      return HWY_DYNAMIC_DISPATCH(packers_float16)();
    }
  }();
  return chosen;
}

}  // namespace

template <class S>
OperandA<Compute<S>> strided_a(const StridedMatrix<S>& matrix) {
  return {packers<S>().a, &matrix};
}

template <class S>
OperandB<Compute<S>> strided_b(const StridedMatrix<S>& matrix) {
  return {packers<S>().b, &matrix, matrix.batch_stride == 0};
}

template OperandA<float> strided_a(const StridedMatrix<float>&);
template OperandA<double> strided_a(const StridedMatrix<double>&);
template OperandA<float> strided_a(const StridedMatrix<BFloat16>&);
template OperandA<float> strided_a(const StridedMatrix<Float16>&);
template OperandB<float> strided_b(const StridedMatrix<float>&);
template OperandB<double> strided_b(const StridedMatrix<double>&);
template OperandB<float> strided_b(const StridedMatrix<BFloat16>&);
template OperandB<float> strided_b(const StridedMatrix<Float16>&);

}  // namespace tsr::cpu
#endif
