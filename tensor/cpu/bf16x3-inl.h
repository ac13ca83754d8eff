// Numbers split into three bfloat16, and how the parts lie for a machine's tiles; compiled for each
// instruction set.
#ifndef TESSERA_TENSOR_CPU_BF16X3_UNIT_
#define TESSERA_TENSOR_CPU_BF16X3_UNIT_
#include <cstdint>

namespace tsr::cpu {

// A unit is 32 depths of two tiles of 16 rows of A, or of 16 columns of B: three planes (h, m, l) of two
// tiles each. A tile has pairs of depths, p and p + 16, beside each other: row i of A is 16 pairs, and so is
// row p of B, one of each column. A line behind the planes tells how large the numbers are.
inline constexpr std::int64_t kUnit = 32, kTile = 256, kPlane = 2 * kTile, kPlanes = 3;
inline constexpr std::int64_t kPairs = kUnit / 2;
/// Where a right operand's unit has column j of depths p and p + 16, in each of its planes.
constexpr std::int64_t panel_place(std::int64_t p, std::int64_t j) {
  return j / kPairs * kTile + p * kPairs + j % kPairs;
}
inline constexpr std::int64_t kMark = kPlanes * kPlane, kUnitSize = kMark + 16;

// From 2⁵⁸ on, and infinite or no number: planes' products could overflow, with infinities of both signs. The
// upper half of such a number's bits is this or more.
inline constexpr std::uint16_t kWild = 0x5C80;

// Masks that are read from memory: made of immediates, they take the port that products of tiles are issued
// to.
struct SplitMasks {
  std::uint32_t upper, half, magnitudes;
};
extern const SplitMasks split_masks [[gnu::visibility("hidden")]];

}  // namespace tsr::cpu
#endif

#if defined(TESSERA_TENSOR_CPU_BF16X3_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_TENSOR_CPU_BF16X3_INL_H_
#undef TESSERA_TENSOR_CPU_BF16X3_INL_H_
#else
#define TESSERA_TENSOR_CPU_BF16X3_INL_H_
#endif

#include "tensor/cpu/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {

using Floats = hwy::HWY_NAMESPACE::CappedTag<float, 16>;
using Words = hwy::HWY_NAMESPACE::RebindToUnsigned<Floats>;
using Vector = hwy::HWY_NAMESPACE::Vec<Floats>;

/// The largest magnitudes of a unit's numbers, those of a lane together: the upper halves of their bits.
class Magnitude {
 public:
  HWY_INLINE Magnitude()
      : most_(hwy::HWY_NAMESPACE::Zero(Words())) {
  }  // a default member initialiser isn't compiled for the target
  /// What was saved in a unit.
  HWY_INLINE explicit Magnitude(const float* unit)
      : most_(hwy::HWY_NAMESPACE::BitCast(Words(), hwy::HWY_NAMESPACE::LoadU(Floats(), unit + kMark))) {}
  HWY_INLINE void save(float* unit) const {
    hwy::HWY_NAMESPACE::StoreU(hwy::HWY_NAMESPACE::BitCast(Floats(), most_), Floats(), unit + kMark);
  }
  /// Takes in two numbers a lane.
  HWY_INLINE void take(hwy::HWY_NAMESPACE::Vec<Words> pairs) {
    namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_SCALAR
    const auto larger = [](std::uint32_t a, std::uint32_t b) { return a < b ? b : a; };
    const std::uint32_t a = hn::GetLane(most_), b = hn::GetLane(pairs) & 0x7FFF7FFF;
    most_ = hn::Set(Words(), larger(a >> 16, b >> 16) << 16 | larger(a & 0xFFFF, b & 0xFFFF));
#else
    const auto bits = hn::And(hn::BitCast(Halves(), pairs),
                              hn::BitCast(Halves(), hn::Set(Words(), split_masks.magnitudes)));
    most_ = hn::BitCast(Words(), hn::Max(hn::BitCast(Halves(), most_), bits));
#endif
  }
  HWY_INLINE void take(const Magnitude& other) { take(other.most_); }
  HWY_INLINE bool wild() const {
    namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_SCALAR
    const std::uint32_t most = hn::GetLane(most_);
    return most >> 16 >= kWild || (most & 0xFFFF) >= kWild;
#else
    const auto tame = hn::Set(Halves(), kWild - 1);
    return !hn::AllTrue(Halves(), hn::Eq(hn::Max(hn::BitCast(Halves(), most_), tame), tame));
#endif
  }

 private:
#if HWY_TARGET != HWY_SCALAR
  using Halves = hwy::HWY_NAMESPACE::Repartition<std::uint16_t, Words>;
#endif
  hwy::HWY_NAMESPACE::Vec<Words> most_;
};

/// A number's parts, in the upper halves of the bits: h is x cut off, m rounds what that leaves, and l is the
/// rest: all of it, or of a subnormal one the upper half. Of what is infinite or no number, h alone means
/// something. What is in l's lower halves doesn't count.
struct Split {
  hwy::HWY_NAMESPACE::Vec<Words> h, m, l;

  HWY_INLINE explicit Split(Vector x) {
    namespace hn = hwy::HWY_NAMESPACE;
    const Floats d;
    const Words words;
    const auto upper = hn::Set(words, split_masks.upper), half = hn::Set(words, split_masks.half);
    h = hn::And(hn::BitCast(words, x), upper);
    const Vector rest = hn::Sub(x, hn::BitCast(d, h));
    m = hn::And(hn::Add(hn::BitCast(words, rest), half), upper);
    l = hn::BitCast(words, hn::Sub(rest, hn::BitCast(d, m)));
  }
};

/// Writes the planes of pairs (low, high) to `to` and kPlane elements on each.
HWY_INLINE void store_pairs(const Split& low, const Split& high, Magnitude& magnitude, float* to) {
  namespace hn = hwy::HWY_NAMESPACE;
  const Floats d;
  const auto upper = hn::Set(Words(), split_masks.upper);
  const auto write = [&](int plane, hn::Vec<Words> a, hn::Vec<Words> b) HWY_ATTR {
    const auto pairs = hn::OrAnd(hn::ShiftRight<16>(a), b, upper);
    hn::StoreU(hn::BitCast(d, pairs), d, to + plane * kPlane);
    return pairs;
  };
  magnitude.take(write(0, low.h, high.h));
  write(1, low.m, high.m);
  write(2, low.l, high.l);
}
HWY_INLINE void store_pairs(Vector low, Vector high, Magnitude& magnitude, float* to) {
  store_pairs(Split(low), Split(high), magnitude, to);
}

}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#endif
