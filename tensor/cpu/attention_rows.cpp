#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/attention_rows.cpp"
#include <algorithm>

#include "hwy/foreach_target.h"
#include "tensor/cpu/attention_rows.h"
#include "tensor/cpu/highway.h"
// both keep a guard per target and so follow highway.h
#include "tensor/cpu/bf16x3-inl.h"
#include "tensor/cpu/lanes-inl.h"
#include "tensor/cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using tsr::HWY_NAMESPACE::polynomial;

constexpr float kLog2E = 1.44269504F;

/// 2^y for y ≤ 127, to 3 ulp; 0 below -126; NaN stays. With n the integer nearest to y, 2^(y - n) is a
/// polynomial fitted by tests/golden/polynomials.py, and n is added to its exponent. The lowest bits of
/// y + 1.5·2²³ are those of n.
template <class D, class V>
HWY_INLINE V exp2_score(D d, V y) {
  const hn::RebindToSigned<D> di;
  const V lowest = hn::Set(d, -126), magic = hn::Set(d, 12582912);
  const V bounded = hn::Max(lowest, y);  // a NaN in the second operand is what x86's maximum gives
  const V shifted = hn::Add(bounded, magic);
  const V value = polynomial(d, hn::Sub(bounded, hn::Sub(shifted, magic)),
                             {1.0000000716546715, 0.6931469670644128, 0.2402211972387728, 0.05550713274069145,
                              0.009675541332937104, 0.0013276471807455933});
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  const V power = hn::BitCast(d, hn::Add(hn::BitCast(di, value), exponent));
  return hn::IfThenZeroElse(hn::Lt(y, lowest), power);
}
/// exp(x), to that and what rounding x·log₂e costs.
template <class D, class V>
HWY_INLINE V exp_score(D d, V x, float) {
  return exp2_score(d, hn::Mul(x, hn::Set(d, kLog2E)));
}
template <class D, class V>
HWY_INLINE V exp_score(D d, V x, double) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, x));  // Highway's makes 0 of NaN
}

/// Calls f(i) for the vectors that cover [0, count).
template <class T, class F>
HWY_INLINE void for_vectors(std::int64_t count, F&& f) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  for (std::int64_t i = 0; i < count; i += lanes) f(i);
}

template <class T>
HWY_INLINE void hide(const ScoreRow<T>& row) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto hidden = hn::Set(d, -std::numeric_limits<T>::infinity());
  for (std::int64_t i = row.visible / lanes * lanes; i < row.cols; i += lanes) {
    const auto seen = hn::FirstN(d, static_cast<std::size_t>(std::max<std::int64_t>(0, row.visible - i)));
    hn::StoreU(hn::IfThenElse(seen, hn::LoadU(d, row.scores + i), hidden), d, row.scores + i);
  }
}

/// scores += added; returns the largest.
template <bool kAdd, class T>
HWY_INLINE T largest_score(const ScoreRow<T>& row) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto take = [&](std::int64_t i) HWY_ATTR {
    auto score = hn::LoadU(d, row.scores + i);
    if constexpr (kAdd) {
      score = hn::Add(score, hn::LoadU(d, row.added + i));
      hn::StoreU(score, d, row.scores + i);
    }
    return score;
  };
  auto top = hn::Set(d, -std::numeric_limits<T>::infinity()),
       other = top;  // two, for neither to be waited for
  std::int64_t i = 0;
  for (; i + lanes < row.cols; i += 2 * lanes) {
    top = hn::Max(top, take(i));
    other = hn::Max(other, take(i + lanes));
  }
  if (i < row.cols) top = hn::Max(top, take(i));
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(top, other)));
}

template <class T>
T largest(const ScoreRow<T>& row) {
  hide(row);
  return row.added ? largest_score<true>(row) : largest_score<false>(row);
}

template <class T>
T weigh(const ScoreRow<T>& row, OnlineSoftmax<T>& softmax) {
  const hn::ScalableTag<T> d;
  const T factor = softmax.raise(largest(row));
  const auto shift = hn::Set(d, softmax.shift());
  auto sum = hn::Zero(d);
  for_vectors<T>(row.cols, [&](std::int64_t i) HWY_ATTR {
    const auto weight = exp_score(d, hn::Sub(hn::LoadU(d, row.scores + i), shift), T());
    hn::StoreU(weight, d, row.scores + i);
    sum = hn::Add(sum, weight);
  });
  softmax.sum += hn::GetLane(hn::SumOfLanes(d, sum));
  if (row.kept) {
    for_vectors<T>(row.cols, [&](std::int64_t i) HWY_ATTR {
      hn::StoreU(hn::Mul(hn::LoadU(d, row.scores + i), hn::LoadU(d, row.kept + i)), d, row.scores + i);
    });
  }
  return factor;
}

template <bool kAdd, bool kDrop, class T>
HWY_INLINE void differentiate_row(const ScoreRow<T>& row, T top, T log_sum, T* grads, T delta) {
  const hn::ScalableTag<T> d;
  const auto shift = hn::Set(d, top), scale = hn::Set(d, log_sum), mean = hn::Set(d, delta);
  for_vectors<T>(row.cols, [&](std::int64_t i) HWY_ATTR {
    auto score = hn::LoadU(d, row.scores + i), grad = hn::LoadU(d, grads + i);
    if constexpr (kAdd) score = hn::Add(score, hn::LoadU(d, row.added + i));
    const auto weight = exp_score(d, hn::Sub(hn::Sub(score, shift), scale), T());
    auto kept = weight;
    if constexpr (kDrop) {
      const auto factor = hn::LoadU(d, row.kept + i);
      kept = hn::Mul(weight, factor);
      grad = hn::Mul(grad, factor);
    }
    hn::StoreU(kept, d, row.scores + i);
    hn::StoreU(hn::Mul(weight, hn::Sub(grad, mean)), d, grads + i);
  });
}

template <class T>
void differentiate(const ScoreRow<T>& row, T top, T log_sum, T* grads, T delta) {
  if (top == -std::numeric_limits<T>::infinity()) {  // it sees nothing
    std::fill_n(row.scores, row.cols, T(0));
    std::fill_n(grads, row.cols, T(0));
    return;
  }
  hide(row);
  if (row.added) {
    row.kept ? differentiate_row<true, true>(row, top, log_sum, grads, delta)
             : differentiate_row<true, false>(row, top, log_sum, grads, delta);
  } else {
    row.kept ? differentiate_row<false, true>(row, top, log_sum, grads, delta)
             : differentiate_row<false, false>(row, top, log_sum, grads, delta);
  }
}

template <class T>
void scale(const T* x, std::int64_t count, T factor, T* to) {
  for_lanes<T>(count, [&](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor)), d, to + i);
  });
}

template <class T>
void add_scaled(const T* x, std::int64_t count, T factor, T* to) {
  for_lanes<T>(count, [&](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(hn::MulAdd(hn::LoadU(d, x + i), hn::Set(d, factor), hn::LoadU(d, to + i)), d, to + i);
  });
}

template <class T>
T dot(const T* a, const T* b, std::int64_t count) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) sum = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum);
  T total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < count; ++i) total += a[i] * b[i];
  return total;
}

template <class T>
AttentionRows<T> functions() {
  return {largest<T>, weigh<T>, differentiate<T>, scale<T>, add_scaled<T>, dot<T>};
}
AttentionRows<float> functions_float() { return functions<float>(); }
AttentionRows<double> functions_double() { return functions<double>(); }

void weigh_units(const float* scores, const float* kept, float shift, std::int64_t visible,
                 std::int64_t units, float* sums, float* to) {
  const Floats d;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  const auto top = hn::Set(d, shift);
  const auto weigh = [&](std::int64_t j, Vector& sum) HWY_ATTR {
    if (j >= visible) return hn::Zero(d);
    const auto weight = exp_score(d, hn::Sub(hn::LoadU(d, scores + j), top), float());
    sum = hn::Add(sum, weight);
    return kept ? hn::Mul(weight, hn::LoadU(d, kept + j)) : weight;
  };
  for (std::int64_t p = 0; p < kPairs; p += kLanes) {
    auto sum = hn::LoadU(d, sums + p);
    for (std::int64_t unit = 0; unit < units; ++unit) {
      const std::int64_t j = unit * kUnit + p;
      const auto low = weigh(j, sum), high = weigh(j + kPairs, sum);
      Magnitude unread;
      store_pairs(low, high, unread, to + unit * kUnitSize + p);
    }
    hn::StoreU(sum, d, sums + p);
  }
}

float total(const float* sums) {
  const Floats d;
  auto sum = hn::Zero(d);
  for (std::int64_t i = 0; i < 16; i += static_cast<std::int64_t>(hn::MaxLanes(d)))
    sum = hn::Add(sum, hn::LoadU(d, sums + i));
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

/// exp(scores - top - log_sum) of a vector of columns from j on, 0 where not seen, in their place.
HWY_INLINE Vector weigh_vector(const SlopeRow& row, std::int64_t j) {
  const Floats d;
  const auto score = hn::Sub(hn::LoadU(d, row.scores + j), hn::Set(d, row.top));
  auto weight = exp2_score(d, hn::MulSub(score, hn::Set(d, kLog2E), hn::Set(d, row.log2_sum)));
  if (j + static_cast<std::int64_t>(hn::MaxLanes(d)) > row.visible) {
    const auto seen = hn::FirstN(d, static_cast<std::size_t>(std::max<std::int64_t>(0, row.visible - j)));
    weight = hn::IfThenElseZero(seen, weight);
  }
  hn::StoreU(weight, d, row.scores + j);
  return row.kept ? hn::Mul(weight, hn::LoadU(d, row.kept + j)) : weight;
}

void weigh_pair(const SlopeRow& low, const SlopeRow& high, std::int64_t col, std::int64_t p,
                const SlopeUnits& to) {
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(Floats()));
  Magnitude unread;
  for (std::int64_t j = 0; j < to.halves * kPairs; j += kLanes)
    store_pairs(weigh_vector(low, col + j), weigh_vector(high, col + j), unread,
                to.weights + panel_place(p, j));
}

/// The gradients of the scores.
HWY_INLINE Split differentiate_vector(const SlopeRow& row, std::int64_t j, bool stored) {
  const Floats d;
  auto grad = hn::LoadU(d, row.grads + j);
  if (row.kept) grad = hn::Mul(grad, hn::LoadU(d, row.kept + j));
  const auto slope = hn::Mul(hn::LoadU(d, row.scores + j), hn::Sub(grad, hn::Set(d, row.delta)));
  if (stored) hn::StoreU(slope, d, row.grads + j);
  return Split(slope);
}

void differentiate_pair(const SlopeRow& low, const SlopeRow& high, std::int64_t col, std::int64_t p,
                        const SlopeUnits& to) {
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(Floats()));
  Magnitude slopes, unread;
  if (p > 0) slopes = Magnitude(to.slopes);
  const Split zero(hn::Zero(Floats()));
  for (std::int64_t j = 0; j < kPairs; j += kLanes) {
    float* panel = to.slopes + p * kPairs + j;
    float* row = to.slope_rows + p * kPairs + j;
    const Split a = differentiate_vector(low, col + j, to.stored),
                c = differentiate_vector(high, col + j, to.stored);
    store_pairs(a, c, slopes, panel);
    if (to.halves == 2) {
      const Split b = differentiate_vector(low, col + kPairs + j, to.stored),
                  e = differentiate_vector(high, col + kPairs + j, to.stored);
      store_pairs(b, e, slopes, panel + kTile);
      store_pairs(a, b, unread, row);
      store_pairs(c, e, unread, row + kTile);
    } else {
      store_pairs(a, zero, unread, row);
      store_pairs(c, zero, unread, row + kTile);
    }
  }
  // A weight is wild when it is no number, and then so is its slope.
  slopes.save(to.slopes), slopes.save(to.slope_rows), slopes.save(to.weights);
}

void clear(std::int64_t p, const SlopeUnits& to) {
  for (float* unit : {to.weights, to.slopes})
    for (std::int64_t tile = 0; tile < kMark; tile += kTile)
      std::fill(unit + tile + p * kPairs, unit + tile + kTile, 0.F);
}

void mark(float* unit, bool wild) {
  std::fill_n(unit + kMark, kPairs, wild ? std::numeric_limits<float>::infinity() : 0.F);
}

AttentionUnits functions_units() { return {weigh_units, total, mark, weigh_pair, differentiate_pair, clear}; }

}  // namespace
}  // namespace tsr::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {

HWY_EXPORT(functions_float);
HWY_EXPORT(functions_double);
HWY_EXPORT(functions_units);

template <>
const AttentionRows<float>& attention_rows<float>() {
  static const AttentionRows<float> functions = HWY_DYNAMIC_DISPATCH(functions_float)();
  return functions;
}

template <>
const AttentionRows<double>& attention_rows<double>() {
  static const AttentionRows<double> functions = HWY_DYNAMIC_DISPATCH(functions_double)();
  return functions;
}

const AttentionUnits& attention_units() {
  static const AttentionUnits functions = HWY_DYNAMIC_DISPATCH(functions_units)();
  return functions;
}

}  // namespace tsr::cpu
#endif
