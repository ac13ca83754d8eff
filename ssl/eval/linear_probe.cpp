#include "ssl/eval/linear_probe.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "autograd/ops.h"
#include "ssl/eval/lbfgs.h"
#include "ssl/eval/spd_inverse.h"

namespace tsr {
namespace {

/// 1/σ per dimension (or the common one), 0 where nothing varies.
Tensor scale_of(const Tensor& variance, ProbeScaling scaling) {
  const std::int64_t dims = variance.numel();
  const double average = mean(variance).item();
  Tensor scale = zeros({dims}, float64);
  for (std::int64_t d = 0; d < dims; ++d) {
    const double value = scaling == ProbeScaling::common ? average : variance.data<double>()[d];
    // What is left of a constant dimension after rounding must not be blown up to variance 1.
    if (value > 1e-10 * average) scale.data<double>()[d] = 1 / std::sqrt(value);
  }
  return scale;
}

void add_to_diagonal(const Tensor& matrix, double value) {
  for (std::int64_t i = 0; i < matrix.size(0); ++i) matrix.data<double>()[i * matrix.size(1) + i] += value;
}

}  // namespace

const char* name_of(ProbeScaling scaling) {
  return scaling == ProbeScaling::common ? "common" : "per dimension";
}

Tensor LinearProbe::operator()(const Tensor& features) const {
  NoGrad guard;
  return argmax(matmul(features, weight) + bias);
}

ProbeFitter::ProbeFitter(const Tensor& features, Tensor labels, std::int64_t classes, ProbeScaling scaling)
    : labels_(std::move(labels)), dims_(features.size(-1)), classes_(classes) {
  TSR_CHECK(features.rank() == 2 && features.size(0) == labels_.numel() && labels_.dtype() == int64,
            "ProbeFitter: features ", describe(features), " and labels ", describe(labels_),
            " are not [N, D] and int64 [N]");
  NoGrad guard;
  const double rows = static_cast<double>(features.size(0));
  const Tensor average = mean(features, {0});
  const Tensor centred = features - average;
  centre_ = average.to(float64);
  scale_ = scale_of(mean(centred * centred, {0}).to(float64), scaling);
  scaled_ = centred * scale_.to(features.dtype());
  one_hot_ = one_hot(labels_, classes, features.dtype());
  gram_ = matmul(transpose(scaled_), scaled_).to(float64) / rows;
  parameters_.assign(static_cast<std::size_t>((dims_ + 1) * classes), 0.0);
}

double ProbeFitter::objective(double weight_decay, const std::vector<double>& x,
                              std::vector<double>& gradient) const {
  NoGrad guard;
  const DType dtype = scaled_.dtype();
  const Tensor all = from_values(x, {dims_ + 1, classes_});
  const Tensor weight = slice(all, 0, 0, dims_), bias = select(all, 0, dims_);
  const Tensor logits = matmul(scaled_, weight.to(dtype)) + bias.to(dtype);
  const Tensor residual = (softmax(logits) - one_hot_) / static_cast<double>(labels_.numel());
  const Tensor grad_weight = matmul(transpose(scaled_), residual).to(float64) + weight * weight_decay;
  const Tensor grad_bias = sum(residual, {0}).to(float64);
  const Tensor joined = concat({grad_weight, unsqueeze(grad_bias, 0)}, 0);
  gradient.assign(joined.data<double>(), joined.data<double>() + joined.numel());
  return cross_entropy(logits, labels_).item() + weight_decay / 2 * sum(weight * weight).item();
}

LinearProbe ProbeFitter::fit(double weight_decay, int max_iterations, double gradient_tolerance) {
  TSR_CHECK(weight_decay > 0, "ProbeFitter: weight decay ", weight_decay, " must be positive");
  NoGrad guard;
  // The Hessian is at most ½·XᵀX/N + λ for W (and ½ for b, X being centred), whatever the parameters.
  const Tensor bound = gram_ / 2.0;
  add_to_diagonal(bound, weight_decay);
  const Tensor inverse = spd_inverse(bound);
  const std::size_t bias = parameters_.size() - static_cast<std::size_t>(classes_);
  LbfgsOptions options{.max_iterations = max_iterations, .gradient_tolerance = gradient_tolerance};
  options.precondition = [&](std::vector<double>& v) {
    const Tensor weight = from_values(std::span<const double>(v.data(), bias), {dims_, classes_});
    const Tensor product = matmul(inverse, weight);
    std::copy_n(product.data<double>(), bias, v.data());
    for (std::size_t i = bias; i < v.size(); ++i) v[i] *= 2;
  };
  LbfgsResult result =
      lbfgs([&](const auto& x, auto& gradient) { return objective(weight_decay, x, gradient); }, parameters_,
            options);
  parameters_ = std::move(result.x);
  LinearProbe probe = unscaled();
  probe.iterations = result.iterations;
  probe.gradient_norm = result.gradient_norm;
  probe.converged = result.converged;
  return probe;
}

LinearProbe ProbeFitter::unscaled() const {
  const Tensor all = from_values(parameters_, {dims_ + 1, classes_});
  const Tensor weight = slice(all, 0, 0, dims_) * unsqueeze(scale_, 1);
  const Tensor bias = select(all, 0, dims_) - reshape(matmul(unsqueeze(centre_, 0), weight), {classes_});
  LinearProbe probe;
  probe.weight = weight.to(scaled_.dtype());
  probe.bias = bias.to(scaled_.dtype());
  return probe;
}

}  // namespace tsr
