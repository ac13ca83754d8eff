// Philox words of many counters at once. Included once for each instruction set, after hwy/highway.h.
#include <algorithm>
#include <array>
#include <cstdint>

#include "tensor/random.h"

#if defined(TESSERA_PHILOX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_PHILOX_INL_H_
#undef TESSERA_PHILOX_INL_H_
#else
#define TESSERA_PHILOX_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The words of one draw, in the order of the elements that they belong to.
class PhiloxWords {
 public:
  PhiloxWords(std::uint64_t seed, std::uint64_t draw)
      : key_{low(seed), high(seed)}, draw_{low(draw), high(draw)} {}

  /// words[0, 4·blocks) = those of counters first, first + 1, …
  HWY_INLINE void fill(std::uint64_t first, std::int64_t blocks, std::uint32_t* words) const {
    std::int64_t block = 0;
#if HWY_TARGET != HWY_SCALAR
    const hn::ScalableTag<std::uint64_t> d;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    for (; block + lanes <= blocks; block += lanes)
      fill_vectors(first + static_cast<std::uint64_t>(block), words + 4 * block);
#endif
    for (; block < blocks; ++block) {
      const std::uint64_t counter = first + static_cast<std::uint64_t>(block);
      const auto four = philox({low(counter), high(counter), draw_[0], draw_[1]}, key_);
      std::copy(four.begin(), four.end(), words + 4 * block);
    }
  }

 private:
  static std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
  static std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

#if HWY_TARGET != HWY_SCALAR
  /// A counter a lane, each of its words in the lower half of 64 bits. Even lanes hold the first half of the
  /// counters, odd lanes the second: so the words come out in order when two vectors are interleaved.
  HWY_INLINE void fill_vectors(std::uint64_t first, std::uint32_t* words) const {
    const hn::ScalableTag<std::uint64_t> d;
    const hn::Repartition<std::uint32_t, decltype(d)> d32;
    const std::size_t lanes = hn::Lanes(d);
    HWY_ALIGN std::uint64_t counters[HWY_MAX_BYTES / 8];
    for (std::size_t lane = 0; lane < lanes; ++lane)
      counters[lane] = first + lane / 2 + lane % 2 * (lanes / 2);
    const auto lower = hn::Set(d, 0xFFFFFFFFu);
    const auto counter = hn::Load(d, counters);
    auto c0 = hn::And(counter, lower), c1 = hn::ShiftRight<32>(counter), c2 = hn::Set(d, draw_[0]),
         c3 = hn::Set(d, draw_[1]);
    auto key = key_;
    const auto times = [&](auto c, std::uint32_t factor) HWY_ATTR {
      return hn::MulEven(hn::BitCast(d32, c), hn::BitCast(d32, hn::Set(d, factor)));
    };
    for (int round = 0; round < 10; ++round) {
      const auto product0 = times(c0, 0xD2511F53u), product1 = times(c2, 0xCD9E8D57u);
      c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), c1), hn::Set(d, key[0]));
      c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), c3), hn::Set(d, key[1]));
      c1 = hn::And(product1, lower);
      c3 = hn::And(product0, lower);
      key[0] += 0x9E3779B9u;
      key[1] += 0xBB67AE85u;
    }
    const auto w01 = hn::Or(c0, hn::ShiftLeft<32>(c1)), w23 = hn::Or(c2, hn::ShiftLeft<32>(c3));
    hn::StoreU(hn::BitCast(d32, hn::InterleaveLower(d, w01, w23)), d32, words);
    hn::StoreU(hn::BitCast(d32, hn::InterleaveUpper(d, w01, w23)), d32, words + 2 * lanes);
  }
#endif

  std::array<std::uint32_t, 2> key_, draw_;
};

}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
