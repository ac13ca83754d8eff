// Rows cut into vectors, the last of them partial. Included once for each instruction set, after
// hwy/highway.h.
#include <algorithm>
#include <cstdint>
#include <utility>

#if defined(TESSERA_PIECES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_PIECES_INL_H_
#undef TESSERA_PIECES_INL_H_
#else
#define TESSERA_PIECES_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using Vector = hn::Vec<hn::ScalableTag<T>>;

/// All lanes of a vector.
template <class T>
struct WholePiece {
  const hn::ScalableTag<T> d{};
  HWY_INLINE Vector<T> load(const T* from) const { return hn::LoadU(d, from); }
  HWY_INLINE void store(Vector<T> v, T* to) const { hn::StoreU(v, d, to); }
  HWY_INLINE Vector<T> keep(Vector<T> v) const { return v; }
};

/// The first lanes of a vector: the others are loaded as zero and not stored.
template <class T>
struct PartPiece {
  const hn::ScalableTag<T> d{};
  const hn::Mask<hn::ScalableTag<T>> mask;
  HWY_INLINE explicit PartPiece(std::int64_t lanes) : mask(hn::FirstN(d, static_cast<std::size_t>(lanes))) {}
  HWY_INLINE Vector<T> load(const T* from) const { return hn::MaskedLoad(mask, d, from); }
  HWY_INLINE void store(Vector<T> v, T* to) const { hn::BlendedStore(v, mask, d, to); }
  /// v, zero in the lanes that don't belong to the row.
  HWY_INLINE Vector<T> keep(Vector<T> v) const { return hn::IfThenElseZero(mask, v); }
};

/// Calls f(piece, i) for pieces that start at element i and cover [0, count).
template <class T, class F>
HWY_INLINE void for_pieces(std::int64_t count, F&& f) {
  const WholePiece<T> whole{};
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(whole.d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) f(whole, i);
  if (i < count) f(PartPiece<T>(count - i), i);
}

/// Two sums over a row: f(piece, i, a, b) adds to the vectors a and b what the piece contributes. Blocks are
/// summed in the row's own precision, their sums in double.
template <class T, class F>
HWY_INLINE std::pair<double, double> sum_pieces(std::int64_t count, F&& f) {
  constexpr std::int64_t kBlock = 1024;
  const WholePiece<T> whole{};
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(whole.d));
  double first = 0, second = 0;
  for (std::int64_t i = 0; i < count;) {
    const std::int64_t end = std::min(i + kBlock, count);
    Vector<T> a0 = hn::Zero(whole.d), a1 = a0, b0 = a0, b1 = a0;
    for (; i + 2 * lanes <= end; i += 2 * lanes) {
      f(whole, i, a0, b0);
      f(whole, i + lanes, a1, b1);
    }
    if (i + lanes <= end) {
      f(whole, i, a0, b0);
      i += lanes;
    }
    if (i < end) f(PartPiece<T>(end - i), i, a1, b1);
    i = end;
    first += static_cast<double>(hn::GetLane(hn::SumOfLanes(whole.d, hn::Add(a0, a1))));
    second += static_cast<double>(hn::GetLane(hn::SumOfLanes(whole.d, hn::Add(b0, b1))));
  }
  return {first, second};
}

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
