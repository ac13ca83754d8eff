#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/unit_form.cpp"
#include <algorithm>

#include "hwy/foreach_target.h"
#include "tensor/cpu/amx.h"
#include "tensor/cpu/highway.h"
#include "tensor/cpu/unit_form.h"
// both keep a guard per target and so follow highway.h
#include "tensor/cpu/bf16x3-inl.h"
#include "tensor/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

/// Sets out a block in a square of 32 by 32.
HWY_INLINE void set_out(const UnitSource& source, float* square) {
  const std::int64_t height = source.height(), width = source.width();
  if (width < kUnit || (source.side == Side::right && height < kUnit))
    std::fill_n(square, kUnit * kUnit, 0.F);
  if (source.turned) return transpose(source.x, source.stride, width, height, square, kUnit);
  for (std::int64_t i = 0; i < height; ++i)
    std::copy_n(source.x + i * source.stride, width, square + i * kUnit);
}

constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(Floats()));

template <bool kScale>
HWY_INLINE Vector load(const float* from, float factor) {
  const auto x = hn::LoadU(Floats(), from);
  return kScale ? hn::Mul(x, hn::Set(Floats(), factor)) : x;
}

template <bool kScale>
HWY_INLINE void form_left(const float* block, std::int64_t stride, std::int64_t height, float factor,
                          float* to) {
  Magnitude magnitude;
  for (std::int64_t i = 0; i < height; ++i) {
    const float* row = block + i * stride;
    for (std::int64_t p = 0; p < kPairs; p += kLanes)
      store_pairs(load<kScale>(row + p, factor), load<kScale>(row + kPairs + p, factor), magnitude,
                  to + i * kPairs + p);
  }
  magnitude.save(to);
}

template <bool kScale>
HWY_INLINE void form_right(const float* block, std::int64_t stride, std::int64_t width, float factor,
                           float* to) {
  Magnitude magnitude;
  for (std::int64_t p = 0; p < kPairs; ++p) {
    const float *low = block + p * stride, *high = low + kPairs * stride;
    for (std::int64_t j = 0; j < width; j += kLanes)
      store_pairs(load<kScale>(low + j, factor), load<kScale>(high + j, factor), magnitude,
                  to + panel_place(p, j));
  }
  magnitude.save(to);
}

void form(const UnitSource& source) {
  HWY_ALIGN float square[kUnit * kUnit];
  const bool there =
      !source.turned && source.cols == kUnit && (source.side == Side::left || source.rows == kUnit);
  if (!there) set_out(source, square);
  const float* block = there ? source.x : square;
  const std::int64_t stride = there ? source.stride : kUnit;
  if (source.side == Side::left) {
    source.factor == 1 ? form_left<false>(block, stride, source.height(), 1, source.to)
                       : form_left<true>(block, stride, source.height(), source.factor, source.to);
  } else {
    const std::int64_t width = source.width() > kTileRows ? kUnit : kTileRows;
    source.factor == 1 ? form_right<false>(block, stride, width, 1, source.to)
                       : form_right<true>(block, stride, width, source.factor, source.to);
  }
}

void turn(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t cols, float* to,
          std::int64_t to_stride) {
  transpose(x, stride, rows, cols, to, to_stride);
}

}  // namespace
}  // namespace tsr::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {

HWY_EXPORT(form);
HWY_EXPORT(turn);

void form_unit(const UnitSource& source) { HWY_DYNAMIC_DISPATCH(form)(source); }

void turn_matrix(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t cols, float* to,
                 std::int64_t to_stride) {
  HWY_DYNAMIC_DISPATCH(turn)(x, stride, rows, cols, to, to_stride);
}

}  // namespace tsr::cpu
#endif
