// Cases of the losses of two tensors of one shape.
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

using Loss = std::function<Tensor(const Tensors&, Reduction)>;
using Formula = std::function<double(double, double)>;

Tensor reduce(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::none) return losses;
  double total = 0;
  for (std::int64_t i = 0; i < losses.numel(); ++i) total += losses.data<double>()[i];
  if (reduction == Reduction::mean) total /= static_cast<double>(losses.numel());
  if (reduction == Reduction::batch_mean) total /= static_cast<double>(losses.shape()[0]);
  return scalar(total, float64);
}

/// A loss in all reductions; `values` of the first operand and the second.
bool loss_case(const char* name, const Loss& loss, const Formula& formula, Values first, Values second,
               bool huge = false) {
  for (Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none, Reduction::batch_mean}) {
    const auto variant = [&](const Shape& shape, bool gradients, bool strided = false) {
      return Variant{{{shape, first, 0, strided}, {shape, second}}, gradients};
    };
    std::vector<Variant> variants{variant({1}, true), variant({3, 5}, true), variant({2, 3, 4}, true, true),
                                  variant({70, 33}, false)};
    if (reduction == Reduction::none) variants.push_back(variant({0, 3}, true));
    if (huge) variants.push_back({{{{4, 5}, Values::huge}, {{4, 5}, second}}, false});
    add_case({.name = name,
              .kernels = {},
              .call = [=](const Tensors& x) { return loss(x, reduction); },
              .reference = [=](const Tensors& x) { return reduce(zip(x[0], x[1], formula), reduction); },
              .variants = variants});
  }
  return true;
}

/// From (-1, 1) to (0, 1).
double share(double x) { return x * 0.5 + 0.5; }
Tensor share(const Tensor& x) { return x * 0.5 + 0.5; }

double huber(double difference, double delta) {
  const double apart = std::abs(difference);
  return apart < delta ? difference * difference / 2 : delta * (apart - delta / 2);
}

double cross(double t, double log_p, double log_q) { return -(t * log_p + (1 - t) * log_q); }
double log_sigmoid(double x) { return x > 0 ? -std::log1p(std::exp(-x)) : x - std::log1p(std::exp(x)); }

const bool loss_cases[] = {
    loss_case(
        "mse_loss", [](const Tensors& x, Reduction r) { return mse_loss(x[0], x[1], r); },
        [](double a, double b) { return (a - b) * (a - b); }, Values::normal, Values::normal, true),
    loss_case(
        "l1_loss", [](const Tensors& x, Reduction r) { return l1_loss(x[0], x[1], r); },
        [](double a, double b) { return std::abs(a - b); }, Values::normal, Values::normal, true),
    loss_case(
        "smooth_l1_loss", [](const Tensors& x, Reduction r) { return smooth_l1_loss(x[0], x[1], 0.7, r); },
        [](double a, double b) { return huber(a - b, 0.7) / 0.7; }, Values::normal, Values::normal, true),
    loss_case(
        "smooth_l1_loss", [](const Tensors& x, Reduction r) { return smooth_l1_loss(x[0], x[1], 0, r); },
        [](double a, double b) { return std::abs(a - b); }, Values::normal, Values::normal),
    loss_case(
        "huber_loss", [](const Tensors& x, Reduction r) { return huber_loss(x[0], x[1], 1.3, r); },
        [](double a, double b) { return huber(a - b, 1.3); }, Values::normal, Values::normal, true),
    loss_case(
        "binary_cross_entropy",
        [](const Tensors& x, Reduction r) { return binary_cross_entropy(share(x[0]), share(x[1]), r); },
        [](double x, double t) { return cross(share(t), std::log(share(x)), std::log(1 - share(x))); },
        Values::unit, Values::unit),
    loss_case(
        "binary_cross_entropy_with_logits",
        [](const Tensors& x, Reduction r) {
          return binary_cross_entropy_with_logits(x[0], share(x[1]), {}, r);
        },
        [](double x, double t) { return cross(share(t), log_sigmoid(x), log_sigmoid(-x)); }, Values::normal,
        Values::unit, true),
    loss_case(
        "kl_div", [](const Tensors& x, Reduction r) { return kl_div(log(x[0]), x[1], r); },
        [](double p, double t) { return t * (std::log(t) - std::log(p)); }, Values::positive,
        Values::positive),
    loss_case(
        "kl_div", [](const Tensors& x, Reduction r) { return kl_div(x[0], x[1], r, true); },
        [](double p, double t) { return std::exp(t) * (t - p); }, Values::normal, Values::normal),
    add_case(
        {.name = "binary_cross_entropy_with_logits",
         .kernels = {},
         .call =
             [](const Tensors& x) {
               return binary_cross_entropy_with_logits(x[0], share(x[1]), x[2], Reduction::sum);
             },
         .reference =
             [](const Tensors& x) {
               const Tensor weighted =
                   zip(zip(x[0], x[1], [](double logit, double t) { return -share(t) * log_sigmoid(logit); }),
                       x[2], [](double a, double b) { return a * b; });
               const Tensor rest = zip(
                   x[0], x[1], [](double logit, double t) { return -(1 - share(t)) * log_sigmoid(-logit); });
               return reduce(zip(weighted, rest, [](double a, double b) { return a + b; }), Reduction::sum);
             },
         .variants = {{{{{4, 3}}, {{4, 3}, Values::unit}, {{3}, Values::positive}}},
                      {{{{2, 3, 2}, Values::normal, 0, true},
                        {{2, 3, 2}, Values::unit},
                        {{3, 1}, Values::positive}}}}}),
};

TEST_CASE("binary cross-entropy stays finite at certainty") {
  Tensor p = from_values({0, 1, 0, 1}, {4}).to(float64).requires_grad_();
  const Tensor t = from_values({0, 1, 1, 0}, {4}).to(float64);
  const Tensor loss = binary_cross_entropy(p, t, Reduction::none);
  const double expected[] = {0, 0, 100, 100}, slope[] = {0, 0, -1e12, 1e12};
  sum(loss).backward();
  for (int i = 0; i < 4; ++i) {
    CHECK(loss.data<double>()[i] == expected[i]);
    CHECK(p.grad().data<double>()[i] == slope[i]);
  }
  Tensor logits = from_values({0, -200, 200}, {3}).requires_grad_();
  const Tensor both = binary_cross_entropy_with_logits(logits, full({3}, 1), {}, Reduction::none);
  sum(both).backward();
  const float losses[] = {std::log(2.0F), 200, 0}, slopes[] = {-0.5F, -1, 0};
  for (int i = 0; i < 3; ++i) {
    CHECK(both.data<float>()[i] == doctest::Approx(losses[i]));
    CHECK(logits.grad().data<float>()[i] == doctest::Approx(slopes[i]));
  }
}

TEST_CASE("kl_div takes targets of 0") {
  Tensor log_p = from_values({-1, -2}, {2}).requires_grad_();
  const Tensor loss = kl_div(log_p, from_values({0, 1}, {2}), Reduction::sum);
  CHECK(loss.item() == 2);
  loss.backward();
  CHECK(log_p.grad().data<float>()[0] == 0);
  CHECK(log_p.grad().data<float>()[1] == -1);
}

TEST_CASE("losses say what doesn't fit") {
  CHECK_THROWS_WITH_AS(
      mse_loss(zeros({2, 3}), zeros({3})),
      "mse_loss: float32[2, 3] and float32[3] differ in shape; broadcast_to() makes repeating explicit",
      Error);
  CHECK_THROWS_WITH_AS(l1_loss(zeros({0, 3}), zeros({0, 3})),
                       "l1_loss: float32[0, 3] has no elements to average", Error);
  CHECK_THROWS_WITH_AS(kl_div(zeros({}), zeros({})), "kl_div: a scalar has no batch to average over", Error);
  CHECK_THROWS_WITH_AS(huber_loss(zeros({2}), zeros({2}), 0), "huber_loss: delta = 0; it must be positive",
                       Error);
  CHECK_THROWS_WITH_AS(
      binary_cross_entropy_with_logits(zeros({2}), zeros({2}), zeros({3, 1})),
      "binary_cross_entropy_with_logits: pos_weight float32[3, 1] doesn't broadcast to float32[2]", Error);
}

}  // namespace
}  // namespace tsr::test
