#pragma once
// Softmax of a row that is read once, piece by piece. Attention, log-sum-exp and the fused losses all hold
// this state, on the CPU and in CUDA kernels.
//
// Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018): of what was read so far, keep
// the largest element and the sum of exponentials relative to it. When a larger one turns up, the sum is
// multiplied by exp(old - new), and so is whatever else was summed with those exponentials as weights.

#include <cmath>
#include <limits>

namespace tsr {

/// The base of the exponentials. Kernels that can fold log₂e into a scale take 2: exp2 is the cheaper
/// function.
struct BaseE {
  template <class T>
  static constexpr T exp(T x) {
    using std::exp;
    return exp(x);
  }
  template <class T>
  static constexpr T log(T x) {
    using std::log;
    return log(x);
  }
};
struct Base2 {
  template <class T>
  static constexpr T exp(T x) {
    using std::exp2;
    return exp2(x);
  }
  template <class T>
  static constexpr T log(T x) {
    using std::log2;
    return log2(x);
  }
};

template <class T, class Base = BaseE>
struct OnlineSoftmax {
  T top = -std::numeric_limits<T>::infinity();  ///< the largest element so far
  T sum = 0;                                    ///< Σ exp(x - top) so far

  /// What an element is lowered by before its exponential. Of elements that are all -inf, 0: they weigh
  /// nothing.
  constexpr T shift() const { return top == -std::numeric_limits<T>::infinity() ? T(0) : top; }

  /// Gets ready for elements up to `largest`. Returns what sums weighted with the old exponentials must be
  /// multiplied by; add the new exponentials, relative to shift(), to `sum`.
  constexpr T raise(T largest) {
    if (!(largest > top)) return T(1);
    const T factor = Base::exp(top - largest);
    top = largest;
    sum *= factor;
    return factor;
  }

  /// Takes in one element.
  constexpr void add(T x) {
    raise(x);
    sum += Base::exp(x - shift());
  }

  /// Takes in all that another state has read. Returns what the other's weighted sums must be multiplied by;
  /// this one's by `factor`.
  constexpr T merge(const OnlineSoftmax& other, T& factor) {
    factor = raise(other.top);
    const T others = Base::exp(other.top - shift());
    sum += others * other.sum;
    return others;
  }

  /// log Σ exp x, in units of the base; -inf when nothing but -inf was read.
  constexpr T log_sum() const { return shift() + Base::log(sum); }
};

}  // namespace tsr
