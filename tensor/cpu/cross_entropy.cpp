// Cross-entropy of rows of logits, and its gradient in one pass.
#include <cmath>

#include "tensor/cpu/rows.h"
#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/cross_entropy.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// both keep a guard per target and so follow highway.h
#include "tensor/cpu/pieces-inl.h"
#include "tensor/cpu/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {
namespace {

/// The target of a row: t_c = sharp·[c = label] + flat·w_c, its sum `total`.
template <class T>
class Targets {
 public:
  Targets(const View& labels, const View& class_weight, std::int64_t classes,
          const CrossEntropyParams& params)
      : labels_(labels.as<std::int64_t>()),
        weight_(class_weight.data == nullptr ? nullptr : class_weight.as<T>()),
        params_(params),
        flat_(params.smoothing / static_cast<double>(classes)),
        weight_sum_(static_cast<double>(classes)) {
    if (weight_ != nullptr) weight_sum_ = reduce_row(SumOf{}, weight_, classes);
  }

  bool ignored(std::int64_t row) const { return labels_[row] == params_.ignored; }
  std::int64_t label(std::int64_t row) const { return labels_[row]; }
  double sharp(std::int64_t row) const {
    return (1 - params_.smoothing) * (weight_ == nullptr ? 1 : static_cast<double>(weight_[labels_[row]]));
  }
  double flat() const { return flat_; }
  double total(std::int64_t row) const { return sharp(row) + flat_ * weight_sum_; }
  double weight_sum() const { return weight_sum_; }
  const T* weight() const { return weight_; }

 private:
  const std::int64_t* labels_;
  const T* weight_;
  CrossEntropyParams params_;
  double flat_, weight_sum_;
};

/// Σ w_c·x_c over a row; w null for ones.
template <class T>
HWY_INLINE double weighted_sum(const T* w, const T* x, std::int64_t n) {
  if (w == nullptr) return reduce_row(SumOf{}, x, n);
  return sum_pieces<T>(n, [&](auto piece, std::int64_t i, auto& sum, auto&)
                              HWY_ATTR { sum = hn::MulAdd(piece.load(w + i), piece.load(x + i), sum); })
      .first;
}

template <class T>
void cross_entropy(const View& logits, const View& loss, const View& top, const View& log_sum,
                   const Targets<T>& targets) {
  const T* source = logits.as<T>();
  const std::int64_t n = logits.size[1];
  for_rows(logits, kExpWork, [&](std::int64_t row, std::int64_t offset) HWY_ATTR {
    const T* x = source + offset;
    const bool ignored = targets.ignored(row);
    const T largest = ignored ? T(0) : row_max(x, n);
    const double log_total =
        ignored || !std::isfinite(largest) ? 0 : std::log(sum_exp<false, T>(x, n, largest, nullptr));
    top.as<T>()[row] = largest;
    log_sum.as<T>()[row] = static_cast<T>(log_total);
    loss.as<T>()[row] = T(0);
    if (ignored) return;
    const double lse = static_cast<double>(largest) + log_total;
    double total = targets.sharp(row) * (lse - static_cast<double>(x[targets.label(row)]));
    if (targets.flat() > 0)
      total += targets.flat() * (lse * targets.weight_sum() - weighted_sum(targets.weight(), x, n));
    loss.as<T>()[row] = static_cast<T>(total);
  });
}

template <class T>
void cross_entropy_grad(const View& grad, const View& logits, const View& top, const View& log_sum,
                        const View& grad_logits, const Targets<T>& targets) {
  const T* source = logits.as<T>();
  const std::int64_t n = logits.size[1];
  for_rows(logits, kExpWork, [&](std::int64_t row, std::int64_t offset) HWY_ATTR {
    T* to = grad_logits.as<T>() + row * n;
    if (targets.ignored(row)) {
      std::fill(to, to + n, T(0));
      return;
    }
    const T *x = source + offset, *w = targets.weight();
    const auto slope = static_cast<double>(grad.as<T>()[row]);
    const auto total = static_cast<T>(slope * targets.total(row)),
               flat = static_cast<T>(slope * targets.flat());
    const T largest = top.as<T>()[row], log_total = log_sum.as<T>()[row];
    for_pieces<T>(n, [&](auto piece, std::int64_t i) HWY_ATTR {
      const auto d = piece.d;
      const auto log_p = hn::Sub(hn::Sub(piece.load(x + i), hn::Set(d, largest)), hn::Set(d, log_total));
      const auto share = w == nullptr ? hn::Set(d, flat) : hn::Mul(hn::Set(d, flat), piece.load(w + i));
      piece.store(hn::MulSub(hn::Exp(d, log_p), hn::Set(d, total), share), to + i);
    });
    to[targets.label(row)] -= static_cast<T>(slope * targets.sharp(row));
  });
}

void forward(View logits, View labels, View class_weight, View loss, View top, View log_sum,
             const CrossEntropyParams& params) {
  const std::int64_t n = logits.size[1];
  if (logits.dtype == float32)
    return cross_entropy<float>(logits, loss, top, log_sum, {labels, class_weight, n, params});
  cross_entropy<double>(logits, loss, top, log_sum, {labels, class_weight, n, params});
}

void backward(View grad, View logits, View labels, View class_weight, View top, View log_sum,
              View grad_logits, const CrossEntropyParams& params) {
  const std::int64_t n = logits.size[1];
  if (logits.dtype == float32)
    return cross_entropy_grad<float>(grad, logits, top, log_sum, grad_logits,
                                     {labels, class_weight, n, params});
  cross_entropy_grad<double>(grad, logits, top, log_sum, grad_logits, {labels, class_weight, n, params});
}

}  // namespace
}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

HWY_EXPORT(forward);
HWY_EXPORT(backward);

const bool registered = [] {
  for (const DType dtype : {float32, float64}) {
    cross_entropy_fwd.add(Device::cpu, dtype,
                          [](Context&, View logits, View labels, View class_weight, View loss, View top,
                             View log_sum, const CrossEntropyParams& params) {
                            HWY_DYNAMIC_DISPATCH(forward)
                            (logits, labels, class_weight, loss, top, log_sum, params);
                          });
    cross_entropy_bwd.add(Device::cpu, dtype,
                          [](Context&, View grad, View logits, View labels, View class_weight, View top,
                             View log_sum, View grad_logits, const CrossEntropyParams& params) {
                            HWY_DYNAMIC_DISPATCH(backward)
                            (grad, logits, labels, class_weight, top, log_sum, grad_logits, params);
                          });
  }
  return true;
}();

}  // namespace
}  // namespace tsr
#endif
