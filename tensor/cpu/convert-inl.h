// Between float32 and the 16-bit formats, compiled for each instruction set: integer arithmetic, so that
// every one of them gives the bits of BFloat16 and Float16 (tensor/dtype.h).
#if defined(TESSERA_TENSOR_CPU_CONVERT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_TENSOR_CPU_CONVERT_INL_H_
#undef TESSERA_TENSOR_CPU_CONVERT_INL_H_
#else
#define TESSERA_TENSOR_CPU_CONVERT_INL_H_
#endif

#include <cstdint>
#include <type_traits>

#include "tensor/cpu/highway.h"
#include "tensor/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {

/// A vector of float32 from 16-bit elements.
template <class D, class Half>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load_half(D d, const Half* from) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToUnsigned<D> words;
  const hn::Rebind<std::uint16_t, D> halves;
  const auto bits = hn::PromoteTo(words, hn::LoadU(halves, reinterpret_cast<const std::uint16_t*>(from)));
  if constexpr (std::is_same_v<Half, BFloat16>) {
    return hn::BitCast(d, hn::ShiftLeft<16>(bits));
  } else {
    const hn::RebindToSigned<D> ints;
    const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(words, 0x8000u)));
    const auto magnitude = hn::ShiftLeft<13>(hn::And(bits, hn::Set(words, 0x7fffu)));
    const auto finite = hn::BitCast(words, hn::Mul(hn::BitCast(d, magnitude), hn::Set(d, 0x1p112f)));
    const auto is_special = hn::Gt(hn::BitCast(ints, magnitude), hn::Set(ints, 0x0f7fffff));
    const auto special = hn::IfThenElseZero(is_special, hn::Set(ints, 0x7f800000));
    return hn::BitCast(d, hn::Or(hn::Or(sign, finite), hn::BitCast(words, special)));
  }
}

/// The bits of the nearest 16-bit values (ties to even), each in the lower half of a word.
template <class Half, class D>
HWY_INLINE auto half_bits(D d, hwy::HWY_NAMESPACE::Vec<D> value) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToSigned<D> ints;
  const auto word = hn::BitCast(ints, value);
  const auto one = hn::Set(ints, 1);
  const auto magnitude = hn::And(word, hn::Set(ints, 0x7fffffff));
  const auto is_nan = hn::Gt(magnitude, hn::Set(ints, 0x7f800000));
  // the upper half of a word as a number from 0 to 0xffff, whatever the sign
  const auto upper = [&](auto x) HWY_ATTR { return hn::And(hn::ShiftRight<16>(x), hn::Set(ints, 0xffff)); };
  if constexpr (std::is_same_v<Half, BFloat16>) {
    const auto odd = hn::And(hn::ShiftRight<16>(word), one);
    const auto rounded = upper(hn::Add(word, hn::Add(odd, hn::Set(ints, 0x7fff))));
    return hn::IfThenElse(is_nan, hn::Or(upper(word), hn::Set(ints, 0x40)), rounded);
  } else {
    const auto odd = hn::And(hn::ShiftRight<13>(magnitude), one);
    const auto rebiased =
        hn::Sub(hn::Add(magnitude, hn::Add(odd, hn::Set(ints, 0xfff))), hn::Set(ints, 0x38000000));
    // adding 0.5 lets the hardware round a subnormal at the right bit
    const auto shifted = hn::BitCast(ints, hn::Add(hn::BitCast(d, magnitude), hn::Set(d, 0.5f)));
    auto bits = hn::IfThenElse(hn::Lt(magnitude, hn::Set(ints, 0x38800000)),
                               hn::Sub(shifted, hn::Set(ints, 0x3f000000)), hn::ShiftRight<13>(rebiased));
    bits = hn::IfThenElse(hn::Gt(magnitude, hn::Set(ints, 0x477fefff)), hn::Set(ints, 0x7c00), bits);
    bits = hn::IfThenElse(is_nan, hn::Set(ints, 0x7e00), bits);
    return hn::Or(bits, hn::And(upper(word), hn::Set(ints, 0x8000)));
  }
}

/// to[0, count) = from[0, count), exactly.
template <class Half, std::enable_if_t<!std::is_same_v<Half, Compute<Half>>, int> = 0>
HWY_INLINE void copy_run(const Half* HWY_RESTRICT from, std::int64_t count, float* HWY_RESTRICT to) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<float> d;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) hn::StoreU(load_half(d, from + i), d, to + i);
  for (; i < count; ++i) to[i] = static_cast<float>(from[i]);
}

/// to[0, count) = from[0, count), rounded to nearest even.
template <class Half>
HWY_INLINE void round_run(const float* HWY_RESTRICT from, std::int64_t count, Half* HWY_RESTRICT to) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<float> d;
  const hn::Rebind<std::uint16_t, decltype(d)> halves;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    hn::StoreU(hn::DemoteTo(halves, half_bits<Half>(d, hn::LoadU(d, from + i))), halves,
               reinterpret_cast<std::uint16_t*>(to + i));
  for (; i < count; ++i) to[i] = Half(from[i]);
}

}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#endif
