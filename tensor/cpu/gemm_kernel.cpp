#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/gemm_kernel.cpp"
#include <utility>

#include "hwy/foreach_target.h"
#include "tensor/cpu/bf16x3.h"
#include "tensor/cpu/gemm_kernel.h"
#include "tensor/cpu/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Rows that fit the register file beside two vectors of B and one of A: 14·2 of 32 registers, or 6·2 of 16.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr int kRows = 14;
#elif HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
constexpr int kRows = 4;
#else
constexpr int kRows = 6;
#endif

/// Writes a tile's registers to C, or adds them to it; the last vector may be partial.
template <class D, class V, int kHeight, int kVectors, class T>
HWY_INLINE void store_tile(D d, const V (&sum)[kHeight][kVectors], const TileArgs<T>& args) {
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
  const std::int64_t rest = args.cols - (kVectors - 1) * kLanes;
  const auto mask = hn::FirstN(d, static_cast<std::size_t>(rest));
#pragma GCC unroll 16
  for (int i = 0; i < kHeight; ++i) {
    T* row = args.c + args.c_rows[i];
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) {
      T* target = row + j * kLanes;
      V value = sum[i][j];
      if (j + 1 < kVectors || rest == kLanes) {
        if (args.accumulate) value = hn::Add(value, hn::LoadU(d, target));
        hn::StoreU(value, d, target);
      } else {
        if (args.accumulate) value = hn::Add(value, hn::MaskedLoad(mask, d, target));
        hn::BlendedStore(value, mask, d, target);
      }
    }
  }
}

/// One step of k: sum += column of A × row of B. `a` holds a pointer for every three rows, so that all rows
/// are reached by base + index addressing without a register each.
template <class D, class V, int kHeight, int kVectors, int kGroups, class T>
HWY_INLINE void rank_one(D d, V (&sum)[kHeight][kVectors], const T* (&a)[kGroups], std::int64_t row_step,
                         const T* HWY_RESTRICT b) {
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
  V row[kVectors];
#pragma GCC unroll 2
  for (int j = 0; j < kVectors; ++j) row[j] = hn::Load(d, b + j * kLanes);
#pragma GCC unroll 16
  for (int i = 0; i < kHeight; ++i) {
    const V value = hn::Set(d, a[i / 3][(i % 3) * row_step]);
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::MulAdd(value, row[j], sum[i][j]);
  }
}

template <class T, int kVectors, int kHeight>
void tile(const TileArgs<T>& args) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  constexpr int kGroups = (kHeight + 2) / 3;
  V sum[kHeight][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kHeight; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::Zero(d);
  }
  const std::int64_t row_step = args.row_step, depth_step = args.depth_step;
  const T* a[kGroups];
#pragma GCC unroll 16
  for (int g = 0; g < kGroups; ++g) a[g] = args.a + 3 * g * row_step;
  const T* HWY_RESTRICT b = args.b;
#pragma GCC unroll 2  // with more, g++ moves loads ahead until sums leave the registers
  for (std::int64_t k = 0; k < args.depth; ++k) {
    rank_one(d, sum, a, row_step, b);
    b += kVectors * kLanes;
#pragma GCC unroll 16
    for (int g = 0; g < kGroups; ++g) a[g] += depth_step;
  }
  store_tile(d, sum, args);
}

template <class T, int kVectors, int... kIndex>
void fill(TileKernel<T>* table, std::integer_sequence<int, kIndex...>) {
  ((table[kIndex] = tile<T, kVectors, kIndex + 1>), ...);
}

template <class T>
TileKernels<T> kernels() {
  TileKernels<T> result{
      .rows_max = kRows, .lanes = static_cast<int>(hn::MaxLanes(hn::ScalableTag<T>())), .table = {}};
  constexpr std::make_integer_sequence<int, kRows> heights;
  fill<T, 1>(result.table[0], heights);
  fill<T, 2>(result.table[1], heights);
  return result;
}

TileKernels<float> kernels_float() { return kernels<float>(); }
TileKernels<double> kernels_double() { return kernels<double>(); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {

HWY_EXPORT(kernels_float);
HWY_EXPORT(kernels_double);

template <>
const TileKernels<float>& tile_kernels<float>() {
  static const TileKernels<float> kernels = HWY_DYNAMIC_DISPATCH(kernels_float)();
  return kernels;
}

template <>
const TileKernels<double>& tile_kernels<double>() {
  static const TileKernels<double> kernels = HWY_DYNAMIC_DISPATCH(kernels_double)();
  return kernels;
}

template <>
const TileKernels<float>& tile_kernels<float>(std::int64_t rows, std::int64_t cols, std::int64_t depth) {
  // Splitting operands costs time by their elements, and pays by the products that each is in.
  const TileKernels<float>* tiles = rows >= 32 && cols >= 32 && depth >= 32 ? bf16x3_kernels() : nullptr;
  return tiles ? *tiles : tile_kernels<float>();
}

template <>
const TileKernels<double>& tile_kernels<double>(std::int64_t /*rows*/, std::int64_t /*cols*/,
                                                std::int64_t /*depth*/) {
  return tile_kernels<double>();
}

}  // namespace tsr::cpu
#endif
