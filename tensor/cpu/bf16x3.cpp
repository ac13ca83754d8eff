#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/bf16x3.cpp"
#include <algorithm>
#include <limits>
#include <type_traits>

#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "tensor/cpu/amx.h"
#include "tensor/cpu/bf16x3.h"
#include "tensor/cpu/highway.h"
// both keep a guard per target and so follow highway.h
#include "tensor/cpu/bf16x3-inl.h"
#include "tensor/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

HWY_INLINE bool any_wild(const TileArgs<float>& args) {
  Magnitude most;
  for (std::int64_t unit = 0; unit < args.depth / kUnit * kUnitSize; unit += kUnitSize)
    most.take(Magnitude(args.a + unit)), most.take(Magnitude(args.b + unit));
  return most.wild();
}

/// A unit of one row of A: depths [0, 32) of it are in `from`.
HWY_INLINE void form_row(const float* from, Magnitude& magnitude, float* to) {
  const Floats d;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  for (std::int64_t p = 0; p < kPairs; p += kLanes)
    store_pairs(hn::LoadU(d, from + p), hn::LoadU(d, from + kPairs + p), magnitude, to + p);
}

/// to[i·32 + k] = a's element (i, begin + k) for all rows and `count` depths; zeros are there already.
HWY_INLINE void copy_unit(const TileRows<float>& a, std::int64_t begin, std::int64_t count, float* to) {
  const float* from = a.data + begin * a.depth_step;
  if (a.row_step != 1) {
    for (std::int64_t i = 0; i < a.rows; ++i, from += a.row_step)
      for (std::int64_t k = 0; k < count; ++k) to[i * kUnit + k] = from[k * a.depth_step];
    return;
  }
  for (std::int64_t k = count; k < 2 * count; ++k) {  // the unit that comes next
    hwy::Prefetch(from + k * a.depth_step);
    hwy::Prefetch(from + k * a.depth_step + a.rows - 1);
  }
  transpose(from, a.depth_step, count, a.rows, to, kUnit);
}

void form_rows(const TileRows<float>& a, float* to) {
  HWY_ALIGN float copy[2 * kTileRows * kUnit];
  const std::int64_t end = a.lead + a.depth;
  for (std::int64_t unit = 0; unit < end; unit += kUnit, to += kUnitSize) {
    const std::int64_t begin = std::max(unit, a.lead), count = std::min(unit + kUnit, end) - begin;
    const bool in_place = a.rows == 2 * kTileRows && count == kUnit && a.depth_step == 1;
    if (!in_place) {
      if (a.rows < 2 * kTileRows || count < kUnit) std::fill_n(copy, 2 * kTileRows * kUnit, 0.F);
      copy_unit(a, begin - a.lead, count, copy + begin - unit);
    }
    const float* from = in_place ? a.data + begin - a.lead : copy;
    const std::int64_t step = in_place ? a.row_step : kUnit;
    Magnitude magnitude;
    for (std::int64_t i = 0; i < 2 * kTileRows; ++i) form_row(from + i * step, magnitude, to + i * kTileRows);
    magnitude.save(to);
  }
}

void form_panel(const float* from, std::int64_t depth_step, std::int64_t depth, std::int64_t cols,
                std::int64_t width, float* to) {
  const Floats d;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  const auto load = [&](std::int64_t k,
                        std::int64_t j) HWY_ATTR {  // the packer left the columns behind `cols` alone
    const auto seen = hn::FirstN(d, static_cast<std::size_t>(std::clamp<std::int64_t>(cols - j, 0, kLanes)));
    return k < depth ? hn::IfThenElseZero(seen, hn::LoadU(d, from + k * depth_step + j)) : hn::Zero(d);
  };
  for (std::int64_t unit = 0; unit < depth; unit += kUnit, to += kUnitSize) {
    Magnitude magnitude;
    for (std::int64_t p = 0; p < kPairs; ++p) {
      const std::int64_t k = unit + p;
      for (const std::int64_t next : {k + kUnit, k + kUnit + kPairs}) {
        hwy::Prefetch(from + next * depth_step);
        hwy::Prefetch(from + next * depth_step + width - 1);
      }
      for (std::int64_t j = 0; j < width; j += kLanes)
        store_pairs(load(k, j), load(k + kPairs, j), magnitude, to + panel_place(p, j));
    }
    magnitude.save(to);
  }
}

/// What store_pairs was given.
HWY_INLINE void load_pairs(const float* from, Vector& low, Vector& high) {
  const Floats d;
  const Words words;
  const auto number = [&](auto part) HWY_ATTR {
    const auto plane = [&](int index) HWY_ATTR {
      return hn::BitCast(d, part(hn::BitCast(words, hn::LoadU(d, from + index * kPlane))));
    };
    const Vector h = plane(0), rest = hn::Add(plane(1), plane(2));
    const auto finite = hn::Lt(hn::Abs(h), hn::Set(d, std::numeric_limits<float>::infinity()));
    return hn::Add(h, hn::IfThenElseZero(finite, rest));
  };
  low = number([](hn::Vec<Words> pair) HWY_ATTR { return hn::ShiftLeft<16>(pair); });
  high = number([](hn::Vec<Words> pair) HWY_ATTR { return hn::And(pair, hn::Set(Words(), 0xFFFF0000)); });
}

/// The sums of a tile's products, of the numbers themselves and not of their planes, in rows of `width`.
HWY_NOINLINE void multiply_plainly(const TileArgs<float>& args, std::int64_t width, float* sums) {
  const Floats d;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  HWY_ALIGN float a[2 * kTileRows * kUnit];
  HWY_ALIGN float b[kUnit * 2 * kTileRows];
  std::fill_n(sums, args.rows * width, 0.F);
  for (std::int64_t unit = 0; unit < args.depth / kUnit * kUnitSize; unit += kUnitSize) {
    Vector low, high;
    for (std::int64_t i = 0; i < args.rows; ++i) {
      for (std::int64_t p = 0; p < kPairs; p += kLanes) {
        load_pairs(args.a + unit + i * kPairs + p, low, high);
        hn::StoreU(low, d, a + i * kUnit + p);
        hn::StoreU(high, d, a + i * kUnit + kPairs + p);
      }
    }
    for (std::int64_t p = 0; p < kPairs; ++p) {
      for (std::int64_t j = 0; j < width; j += kLanes) {
        load_pairs(args.b + unit + panel_place(p, j), low, high);
        hn::StoreU(low, d, b + p * width + j);
        hn::StoreU(high, d, b + (kPairs + p) * width + j);
      }
    }
    for (std::int64_t i = 0; i < args.rows; ++i) {
      for (std::int64_t j = 0; j < width; j += kLanes) {
        auto sum = hn::LoadU(d, sums + i * width + j);
        for (std::int64_t k = 0; k < kUnit; ++k)
          sum = hn::MulAdd(hn::Set(d, a[i * kUnit + k]), hn::LoadU(d, b + k * width + j), sum);
        hn::StoreU(sum, d, sums + i * width + j);
      }
    }
  }
}

/// C's tile of kRows × kCols tiles of the machine's.
template <class Tiles, int kRows, int kCols>
class Product {
 public:
  Product(float* c, std::int64_t stride) : c_(c), stride_(stride) {}

  /// Begins with zeros, or with what C holds.
  void start(bool accumulate) {
    for_tiles([&](auto t, float* place) {
      if (accumulate) {
        tiles_.template load<t>(place, 4 * stride_);
      } else {
        tiles_.template zero<t>();
      }
    });
  }
  void add(const float* a, const float* b, std::int64_t depth, Meanwhile* meanwhile) {
    const auto multiply = [&] { this->multiply(meanwhile); };
    constexpr std::int64_t kBreak = 4;
    alignas(kTileBytes) float unread[kTileBytes / sizeof(float)];
    for (std::int64_t unit = 0; unit < depth / kUnit; ++unit, a += kUnitSize, b += kUnitSize) {
      constexpr int h = 0, m = 1, l = 2;  // the least products first
      load_a(a, l), load_b(b, h), multiply();
      load_a(a, m), multiply();
      // The first tile that is stored after more than five units takes Sapphire Rapids 300 ns, the time of
      // two units. Stores on the way avoid it.
      if (unit % kBreak == kBreak / 2) tiles_.template store<6>(unread, 0);
      load_b(b, m), multiply();
      load_a(a, h), multiply();
      load_b(b, l), multiply();
      load_b(b, h), multiply();
    }
  }
  void finish() {
    for_tiles([&](auto t, float* place) { tiles_.template store<t>(place, 4 * stride_); });
  }

 private:
  /// Calls f(t, where tile t of the sums belongs).
  template <class F>
  HWY_INLINE void for_tiles(F&& f) {
    f(std::integral_constant<int, 0>(), c_);
    if constexpr (kCols == 2) f(std::integral_constant<int, 1>(), c_ + kTileRows);
    if constexpr (kRows == 2) f(std::integral_constant<int, 2>(), c_ + kTileRows * stride_);
    if constexpr (kRows == 2 && kCols == 2)
      f(std::integral_constant<int, 3>(), c_ + kTileRows * stride_ + kTileRows);
  }
  HWY_INLINE void load_a(const float* unit, int plane) {
    tiles_.template load<4>(unit + plane * kPlane, kTileBytes);
    if constexpr (kRows == 2) tiles_.template load<5>(unit + plane * kPlane + kTile, kTileBytes);
  }
  HWY_INLINE void load_b(const float* unit, int plane) {
    tiles_.template load<6>(unit + plane * kPlane, kTileBytes);
    if constexpr (kCols == 2) tiles_.template load<7>(unit + plane * kPlane + kTile, kTileBytes);
  }
  /// The slot is between loads and products: a load behind it may have to wait for the stores of a step whose
  /// addresses look alike, those that end in the same 12 bits, and by then they are through.
  HWY_INLINE void multiply(Meanwhile* meanwhile) {
    if (meanwhile) meanwhile->slot();
    tiles_.template multiply<0, 4, 6>();
    if constexpr (kCols == 2) tiles_.template multiply<1, 4, 7>();
    if constexpr (kRows == 2) tiles_.template multiply<2, 5, 6>();
    if constexpr (kRows == 2 && kCols == 2) tiles_.template multiply<3, 5, 7>();
  }

  Tiles tiles_;
  float* c_;
  std::int64_t stride_;
};

/// The rows of C become the sums, rows of kCols · 16, or are added to.
template <int kCols>
HWY_INLINE void store_sums(const TileArgs<float>& args, const float* sums) {
  const Floats d;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  for (std::int64_t i = 0; i < args.rows; ++i, sums += kCols * kTileRows) {
    float* row = args.c + args.c_rows[i];
    for (std::int64_t j = 0; j < args.cols; j += kLanes) {
      auto value = hn::Load(d, sums + j);
      if (j + kLanes <= args.cols) {
        if (args.accumulate) value = hn::Add(value, hn::LoadU(d, row + j));
        hn::StoreU(value, d, row + j);
      } else {
        const auto mask = hn::FirstN(d, static_cast<std::size_t>(args.cols - j));
        if (args.accumulate) value = hn::Add(value, hn::MaskedLoad(mask, d, row + j));
        hn::BlendedStore(value, mask, d, row + j);
      }
    }
  }
}

template <class Tiles, int kRows, int kCols>
void tile(const TileArgs<float>& args) {
  HWY_ALIGN float sums[kRows * kCols * kTile];
  if (HWY_UNLIKELY(any_wild(args))) {
    multiply_plainly(args, kCols * kTileRows, sums);
    return store_sums<kCols>(args, sums);
  }
  const bool straight = args.rows == kRows * kTileRows && args.cols == kCols * kTileRows && args.c_step != 0;
  Product<Tiles, kRows, kCols> product(straight ? args.c + args.c_rows[0] : sums,
                                       straight ? args.c_step : kCols * kTileRows);
  product.start(straight && args.accumulate);
  product.add(args.a, args.b, args.depth, args.meanwhile);
  product.finish();
  if (!straight) store_sums<kCols>(args, sums);
}

template <class Tiles>
TileKernels<float> kernels() {
  static const TileForm<float> form{kUnit, kUnitSize, form_rows, form_panel};
  TileKernels<float> result{.rows_max = 2 * kTileRows,
                            .lanes = kTileRows,
                            .table = {},
                            .slots = 6,
                            .tiles = 2,
                            .depth_max = 768,
                            .form = &form};
  for (int rows = 1; rows <= result.rows_max; ++rows) {
    const bool one = rows <= kTileRows;
    result.table[0][rows - 1] = one ? tile<Tiles, 1, 1> : tile<Tiles, 2, 1>;
    result.table[1][rows - 1] = one ? tile<Tiles, 1, 2> : tile<Tiles, 2, 2>;
  }
  return result;
}

TileKernels<float> kernels_amx() { return kernels<AmxTiles>(); }
TileKernels<float> kernels_emulated() { return kernels<EmulatedTiles>(); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {

const SplitMasks split_masks{.upper = 0xFFFF0000, .half = 0x8000, .magnitudes = 0x7FFF7FFF};

HWY_EXPORT(kernels_amx);
HWY_EXPORT(kernels_emulated);

const TileKernels<float>* bf16x3_kernels() {
  if (emulates_amx()) return &emulated_bf16x3_kernels();
  if (!has_amx()) return nullptr;
  static const TileKernels<float> kernels = HWY_DYNAMIC_DISPATCH(kernels_amx)();
  return &kernels;
}

const TileKernels<float>& emulated_bf16x3_kernels() {
  static const TileKernels<float> kernels = HWY_DYNAMIC_DISPATCH(kernels_emulated)();
  return kernels;
}

}  // namespace tsr::cpu
#endif
