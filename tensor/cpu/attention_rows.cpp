#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/attention_rows.cpp"
#include <algorithm>

#include "hwy/foreach_target.h"
#include "tensor/cpu/attention_rows.h"
#include "tensor/cpu/highway.h"
// both keep a guard per target and so follow highway.h
#include "tensor/cpu/lanes-inl.h"
#include "tensor/cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using tsr::HWY_NAMESPACE::polynomial;

/// exp(x) for x ≤ 88, to 3 ulp and what rounding x·log₂e costs; 0 below -87; NaN stays. With n the integer
/// nearest to y = x·log₂e, 2^(y - n) is a polynomial fitted by tests/golden/polynomials.py, and n is added to
/// its exponent. The lowest bits of y + 1.5·2²³ are those of n.
template <class D, class V>
HWY_INLINE V exp_score(D d, V x, float) {
  const hn::RebindToSigned<D> di;
  const V lowest = hn::Set(d, -126), magic = hn::Set(d, 12582912);
  const V y = hn::Mul(x, hn::Set(d, 1.44269504F));
  const V bounded = hn::Max(lowest, y);  // a NaN in the second operand is what x86's maximum gives
  const V shifted = hn::Add(bounded, magic);
  const V value = polynomial(d, hn::Sub(bounded, hn::Sub(shifted, magic)),
                             {1.0000000716546715, 0.6931469670644128, 0.2402211972387728, 0.05550713274069145,
                              0.009675541332937104, 0.0013276471807455933});
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  const V power = hn::BitCast(d, hn::Add(hn::BitCast(di, value), exponent));
  return hn::IfThenZeroElse(hn::Lt(y, lowest), power);
}
template <class D, class V>
HWY_INLINE V exp_score(D d, V x, double) {
  return hn::Exp(d, x);
}

/// Calls f(i) for the vectors that cover [0, count).
template <class T, class F>
HWY_INLINE void for_vectors(std::int64_t count, F&& f) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  for (std::int64_t i = 0; i < count; i += lanes) f(i);
}

template <class T>
HWY_INLINE void hide(const ScoreRow<T>& row) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  std::fill(row.scores + row.visible, row.scores + (row.cols + lanes - 1) / lanes * lanes,
            -std::numeric_limits<T>::infinity());
}

/// scores += added; returns the largest.
template <bool kAdd, class T>
HWY_INLINE T largest_score(const ScoreRow<T>& row) {
  const hn::ScalableTag<T> d;
  auto top = hn::Set(d, -std::numeric_limits<T>::infinity());
  for_vectors<T>(row.cols, [&](std::int64_t i) HWY_ATTR {
    auto score = hn::LoadU(d, row.scores + i);
    if constexpr (kAdd) {
      score = hn::Add(score, hn::LoadU(d, row.added + i));
      hn::StoreU(score, d, row.scores + i);
    }
    top = hn::Max(top, score);
  });
  return hn::GetLane(hn::MaxOfLanes(d, top));
}

template <class T>
T weigh(const ScoreRow<T>& row, OnlineSoftmax<T>& softmax) {
  const hn::ScalableTag<T> d;
  hide(row);
  const T factor = softmax.raise(row.added ? largest_score<true>(row) : largest_score<false>(row));
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
  return {weigh<T>, differentiate<T>, scale<T>, add_scaled<T>, dot<T>};
}
AttentionRows<float> functions_float() { return functions<float>(); }
AttentionRows<double> functions_double() { return functions<double>(); }

}  // namespace
}  // namespace tsr::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {

HWY_EXPORT(functions_float);
HWY_EXPORT(functions_double);

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

}  // namespace tsr::cpu
#endif
