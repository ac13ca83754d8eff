#pragma once
// Sums by column that norms need.

#include "cuda/columns.h"
#include "cuda/mixed.h"

namespace tsr::TSR_BACKEND {

/// How many numbers, their mean and Σ (x - mean)².
struct Moments {
  double count, mean, m2;
};

/// Chan et al. 1979.
struct MergeMoments {
  template <class A>
  __device__ static constexpr A identity() {
    return {0, 0, 0};
  }
  __device__ Moments operator()(const Moments& a, const Moments& b) const {
    const double count = a.count + b.count;
    if (count == 0) return a;
    const double apart = b.mean - a.mean, share = b.count / count;
    return {count, a.mean + apart * share, a.m2 + b.m2 + apart * apart * a.count * share};
  }
};

/// The moments of a thread's rows. Differences from the first of them keep the mean right where it is large
/// beside the deviation.
template <class T>
struct ColumnMoments {
  const T* x;  ///< dense [batch, rows, columns]
  std::int64_t rows, columns;

  __device__ Moments operator()(const ColumnPlace& at) const {
    if (at.first >= at.last) return {0, 0, 0};
    const T* column = x + at.batch * rows * columns + at.column;
    const float start = widen(column[at.first * columns]);
    Accumulator<T> sum = 0, squares = 0;
    at.each_row([&](std::int64_t row) { return widen(column[row * columns]); },
                [&](std::int64_t, float value) {
                  const Accumulator<T> apart = value - start;
                  sum += apart;
                  squares += apart * apart;
                });
    const std::int64_t own = (at.last - at.first + at.step - 1) / at.step;
    const auto count = static_cast<double>(own);
    const double shift = sum / count, m2 = squares - shift * sum;
    return {count, start + shift, m2 < 0 ? 0 : m2};  // NaN stays
  }
};

/// Σ g and Σ g·x, of whatever a norm's backward calls g and x.
struct GradientSums {
  double g, gx;
};
struct AddGradientSums {
  template <class A>
  __device__ static constexpr A identity() {
    return {0, 0};
  }
  __device__ GradientSums operator()(const GradientSums& a, const GradientSums& b) const {
    return {a.g + b.g, a.gx + b.gx};
  }
};

/// An element's gradient, and its x; `grads` is indexed by it.
struct GradientAt {
  float grad, x;
};
template <class T, class Grads>
__device__ GradientAt gradient_at(const Grads& grads, const T* x, std::int64_t i) {
  return {widen(grads[i]), widen(x[i])};
}

/// Takes Σ grad·x̂ and Σ grad: the gradients of weight and bias.
template <class T>
struct StoreParameterGradients {
  MixedOut<T> grad_weight, grad_bias;

  __device__ void operator()(std::int64_t column, const GradientSums& sums) const {
    grad_weight.set(column, static_cast<float>(sums.gx));
    grad_bias.set(column, static_cast<float>(sums.g));
  }
};

}  // namespace tsr::TSR_BACKEND
