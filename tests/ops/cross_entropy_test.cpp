// Cases of cross-entropy and the negative log-likelihood.
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tensor/random.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

/// How a case calls the op; class weights are 0.5, 0.75, 1, … where wanted.
struct LossSetting {
  double smoothing = 0;
  std::int64_t ignored = -100;
  Reduction reduction = Reduction::mean;
  bool weighted = false;

  static double weight(std::int64_t c) { return 0.5 + 0.25 * static_cast<double>(c); }
  Tensor weights(const Tensor& logits) const {
    if (!weighted) return {};
    Tensor w(Shape{logits.size(-1)}, float64, Device::cpu);
    for (std::int64_t c = 0; c < w.numel(); ++c) w.data<double>()[c] = weight(c);
    return w.to(logits.dtype()).to(logits.device());
  }
  CrossEntropyOptions options(const Tensor& logits) const {
    return {.label_smoothing = smoothing,
            .ignore_index = ignored,
            .reduction = reduction,
            .class_weight = weights(logits)};
  }
};

/// log softmax(x)_c of a row.
double log_softmax_at(const double* x, std::int64_t n, std::int64_t c) {
  double top = -INFINITY, total = 0;
  for (std::int64_t i = 0; i < n; ++i) top = std::max(top, x[i]);
  for (std::int64_t i = 0; i < n; ++i) total += std::exp(x[i] - top);
  return x[c] - top - std::log(total);
}

/// -Σ target·weight·log p of each row. target(row, c) is what a row wants, negative where it is ignored;
/// `divisor` what the mean divides by.
Tensor reduced_loss(const Tensor& logits, const Shape& rows, const LossSetting& setting, double divisor,
                    bool logs, const std::function<double(std::int64_t, std::int64_t)>& target) {
  const std::int64_t n = logits.size(-1);
  Tensor losses = zeros(rows, float64);
  double total = 0;
  for (std::int64_t row = 0; row < losses.numel(); ++row) {
    const double* x = logits.data<double>() + row * n;
    for (std::int64_t c = 0; c < n; ++c) {
      const double t = target(row, c);
      if (t <= 0) continue;
      losses.data<double>()[row] -=
          t * (setting.weighted ? LossSetting::weight(c) : 1) * (logs ? x[c] : log_softmax_at(x, n, c));
    }
    total += losses.data<double>()[row];
  }
  if (setting.reduction == Reduction::none) return losses;
  if (setting.reduction == Reduction::batch_mean) divisor = static_cast<double>(rows[0]);
  return scalar(setting.reduction == Reduction::sum ? total : total / divisor, float64);
}

Tensor with_labels(const Tensors& in, const LossSetting& setting, bool logs) {
  const auto* labels = in[1].data<std::int64_t>();
  const auto n = static_cast<double>(in[0].size(-1));
  double divisor = 0;
  for (std::int64_t row = 0; row < in[1].numel(); ++row)
    if (labels[row] != setting.ignored) divisor += setting.weighted ? LossSetting::weight(labels[row]) : 1;
  return reduced_loss(in[0], in[1].shape(), setting, divisor, logs, [&](std::int64_t row, std::int64_t c) {
    if (labels[row] == setting.ignored) return 0.0;
    return (c == labels[row] ? 1 - setting.smoothing : 0) + setting.smoothing / n;
  });
}

Tensor with_probabilities(const Tensors& in, const LossSetting& setting) {
  Shape rows = in[0].shape();
  const std::int64_t n = rows.back();
  rows.erase(rows.rank() - 1);
  return reduced_loss(in[0], rows, setting, static_cast<double>(rows.numel()), false,
                      [&](std::int64_t row, std::int64_t c) {
                        const double t = in[1].data<double>()[row * n + c];
                        return t * (1 - setting.smoothing) + setting.smoothing / static_cast<double>(n);
                      });
}

/// Logits of `shape` with a label a row; ignoring cases must not meet a batch that is ignored altogether.
Variant labelled(const Shape& shape, bool gradients, Values values = Values::normal, bool strided = false) {
  Shape rows = shape;
  rows.erase(rows.rank() - 1);
  return {{{shape, values, 0, strided}, {rows, Values::indices, shape.back()}}, gradients};
}

const std::vector<Variant> kLabelled{labelled({6, 7}, true),
                                     labelled({8, 3}, true),
                                     labelled({2, 3, 5}, true),
                                     labelled({5, 33}, true, Values::normal, true),
                                     labelled({3, 9}, true, Values::equal),
                                     labelled({3, 19}, true, Values::rising),
                                     labelled({6, 65}, false, Values::huge),
                                     labelled({257, 1000}, false)};

bool label_case(const LossSetting& setting) {
  std::vector<Variant> variants = kLabelled;
  if (setting.ignored < 0) variants.push_back(labelled({1, 1}, true));
  return add_case({.name = "cross_entropy",
                   .kernels = {"cross_entropy_fwd", "cross_entropy_bwd"},
                   .call = [=](const Tensors& x) { return cross_entropy(x[0], x[1], setting.options(x[0])); },
                   .reference = [=](const Tensors& x) { return with_labels(x, setting, false); },
                   .variants = variants,
                   .benchmark = {{{4096, 1000}}, {{4096}, Values::indices, 1000}}});
}

bool probability_case(const LossSetting& setting) {
  return add_case({.name = "cross_entropy",
                   .kernels = {},
                   .call = [=](const Tensors& x) { return cross_entropy(x[0], x[1], setting.options(x[0])); },
                   .reference = [=](const Tensors& x) { return with_probabilities(x, setting); },
                   .variants = {{{{{4, 7}}, {{4, 7}, Values::positive}}},
                                {{{{2, 3, 5}, Values::normal, 0, true}, {{2, 3, 5}, Values::positive}}},
                                {{{{33, 200}}, {{33, 200}, Values::positive}}, false}}});
}

bool nll_case(const LossSetting& setting) {
  return add_case({.name = "nll_loss",
                   .kernels = {"gather_fwd"},
                   .call =
                       [=](const Tensors& x) {
                         return nll_loss(x[0], x[1],
                                         {.ignore_index = setting.ignored,
                                          .reduction = setting.reduction,
                                          .class_weight = setting.weights(x[0])});
                       },
                   .reference = [=](const Tensors& x) { return with_labels(x, setting, true); },
                   .variants = kLabelled});
}

const bool cross_entropy_cases[] = {
    label_case({}),
    label_case({.smoothing = 0.1}),
    label_case({.ignored = 1, .reduction = Reduction::none}),
    label_case({.smoothing = 0.2, .ignored = 0, .weighted = true}),
    label_case({.reduction = Reduction::sum, .weighted = true}),
    label_case({.ignored = 2, .reduction = Reduction::batch_mean}),
    probability_case({}),
    probability_case({.smoothing = 0.3, .reduction = Reduction::sum, .weighted = true}),
    probability_case({.reduction = Reduction::none}),
    nll_case({}),
    nll_case({.ignored = 1, .weighted = true}),
    nll_case({.ignored = 0, .reduction = Reduction::none}),
};

Tensor labels(const std::vector<std::int64_t>& values) {
  return from_values(values, {static_cast<std::int64_t>(values.size())});
}

TEST_CASE("the gradient kernel agrees with the differentiable backward") {
  Generator generator(6);
  const auto weights = [](DType dtype) { return from_values({0.5F, 2, 1, 3, 0.25F}, {5}).to(dtype); };
  for (DType dtype : {float32, float64}) {
    Tensor x = (normal({9, 5}, generator, 0, 1, dtype) * 5).requires_grad_();
    const CrossEntropyOptions options{
        .label_smoothing = 0.1, .ignore_index = 3, .class_weight = weights(dtype)};
    const Tensor loss = cross_entropy(x, labels({0, 1, 2, 3, 4, 3, 0, 1, 2}), options);
    const Tensor fused = grad(loss, {x}, {}, {.retain_graph = true})[0],
                 composed = grad(loss, {x}, {}, {.create_graph = true})[0].detach();
    CHECK(max(abs(fused - composed)).item() < (dtype == float32 ? 1e-6 : 1e-15));
    CHECK(max(abs(slice(fused, 0, 3, 4))).item() == 0);
  }
}

TEST_CASE("large and masked logits: the gradient stays exact") {
  Tensor x = from_values({1e4F, 1e4F + 1, -INFINITY, -1e4F}, {1, 4}).requires_grad_();
  const Tensor loss = cross_entropy(x, labels({0}));
  CHECK(loss.item() == doctest::Approx(1 + std::log1p(std::exp(-1.0))));
  loss.backward();
  const double p = 1 / (1 + std::exp(1.0)), expected[] = {p - 1, 1 - p, 0, 0};
  for (int i = 0; i < 4; ++i) CHECK(x.grad().data<float>()[i] == doctest::Approx(expected[i]).epsilon(1e-6));
}

TEST_CASE("a label changed between forward and backward is noticed") {
  const Tensor target = labels({0, 1});
  Tensor x = ones({2, 3}).requires_grad_();
  const Tensor loss = cross_entropy(x, target);
  fill_with(target, 2);
  CHECK_THROWS_WITH_AS(loss.backward(), doctest::Contains("saved by cross_entropy was changed in place"),
                       Error);
}

TEST_CASE("cross_entropy names the first bad row, and means of nothing") {
  CHECK_THROWS_WITH_AS(cross_entropy(zeros({4, 3}), labels({0, 2, 3, -1})),
                       "cross_entropy: label 3 of row 2 is out of range for 3 classes (0 to 2)", Error);
  CHECK_THROWS_WITH_AS(cross_entropy(zeros({4, 3}), labels({0, 1, 2})),
                       "cross_entropy: logits float32[4, 3] and labels int64[3]; need logits [..., n] and "
                       "labels int64 [...]",
                       Error);
  CHECK_THROWS_WITH_AS(cross_entropy(zeros({4, 3}), zeros({4})),
                       "cross_entropy: logits float32[4, 3] and probabilities float32[4] differ in shape",
                       Error);
  CHECK_THROWS_WITH_AS(cross_entropy(zeros({0, 3}), empty({0}, int64)),
                       "cross_entropy: there are no rows to average", Error);
  CHECK_THROWS_WITH_AS(cross_entropy(zeros({2, 3}), labels({-100, -100})),
                       "cross_entropy: all 2 rows are ignored or weigh 0; there is nothing to average",
                       Error);
  CHECK_THROWS_WITH_AS(cross_entropy(zeros({2, 3}), labels({0, 1}), {.class_weight = ones({2})}),
                       "cross_entropy: the class weights of logits float32[2, 3] are float32[2]", Error);
  CHECK_THROWS_WITH_AS(cross_entropy(zeros({2, 3}), labels({0, 1}), {.label_smoothing = 2}),
                       "cross_entropy: label smoothing is 2; choose 0 to 1", Error);
  CHECK_THROWS_WITH_AS(nll_loss(zeros({2, 3}), labels({0, 5})),
                       "nll_loss: label 5 of row 1 is out of range for 3 classes (0 to 2)", Error);
}

}  // namespace
}  // namespace tsr::test
