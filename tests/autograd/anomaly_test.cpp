// Anomaly mode: the first NaN or infinity, and who made it.
#include "autograd/anomaly.h"

#include <doctest/doctest.h>
#include <limits>
#include <thread>

#include "autograd/op.h"
#include "autograd/scope.h"
#include "tests/autograd/tape_helpers.h"

namespace tsr::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tensor row(const std::vector<double>& numbers) {
  Tensor x = from_values(numbers, {static_cast<std::int64_t>(numbers.size())});
  x.requires_grad_();
  return x;
}

TEST_CASE("anomaly mode names the op that made the first infinity or NaN") {
  const DetectAnomaly guard;
  CHECK_THROWS_WITH_AS(exp(row({1, 2, 800}) * 2.0) - 1.0,
                       "anomaly: exp gives inf at [2] of float64[3], though its inputs are finite", Error);
  CHECK_THROWS_WITH_AS(log(reshape(row({3, 2, 1, 0}), {2, 2})),
                       "anomaly: log gives -inf at [1, 1] of float64[2, 2], though its inputs are finite",
                       Error);
  CHECK_THROWS_WITH_AS(sqrt(row({1, -1})),
                       "anomaly: sqrt gives nan at [1] of float64[2], though its inputs are finite", Error);
  CHECK_THROWS_WITH_AS(log(ones({2}) - 2.0), doctest::Contains("anomaly: log gives nan"), Error);  // no tape
}

TEST_CASE("anomaly mode finds what a backward makes of a finite gradient") {
  const DetectAnomaly guard;
  const Tensor x = row({4, 0});
  const Tensor y = sqrt(x * 1.0);
  CHECK_THROWS_WITH_AS(
      sum(y).backward(),
      "anomaly: the backward of sqrt gives inf at [1] of float64[2] as the gradient of input 0, though the "
      "gradient of its output is finite",
      Error);
  const Tensor z = sqrt(x * 0.0) * 0.0;  // 0 · inf
  CHECK_THROWS_WITH_AS(sum(z).backward(), doctest::Contains("the backward of sqrt gives nan at [0]"), Error);
}

TEST_CASE("anomaly messages tell the scope of the forward pass") {
  const DetectAnomaly guard;
  const NamedScope encoder("encoder");
  Tensor y;
  {
    const NamedScope layer("layer1");
    y = sqrt(row({0}));
    CHECK_THROWS_WITH_AS(log(y), doctest::Contains("anomaly: log in encoder/layer1 gives -inf"), Error);
  }
  CHECK(*current_scope() == "encoder");
  CHECK_THROWS_WITH_AS(y.backward(), doctest::Contains("the backward of sqrt in encoder/layer1 gives inf"),
                       Error);
}

TEST_CASE("infinity that came as data is let pass, NaN is not") {
  const DetectAnomaly guard;
  const Tensor logits = row({1, 2, 3}), mask = from_values({1, 0, 0}, {3});
  const Tensor masked = masked_fill(logits, eq(mask, scalar(1)), -kInfinity);
  const Tensor p = softmax(masked);
  CHECK(values(p)[0] == 0);
  sum(p * p).backward();
  CHECK_THROWS_WITH_AS(masked - masked, "anomaly: sub gives nan at [0] of float64[3] of inputs with infinity",
                       Error);
  CHECK_THROWS_WITH_AS(
      row({1, std::numeric_limits<double>::quiet_NaN()}) * 2.0,
      "anomaly: mul: input 0 came with nan at [1] of float64[2], which no op made: look at the "
      "data",
      Error);
  const Tensor y = logits * 2.0;
  CHECK_THROWS_WITH_AS(
      backward(y, full({3}, std::numeric_limits<double>::quiet_NaN(), float64)),
      "anomaly: the backward of mul is given a gradient with nan at [0] of float64[3], which no "
      "op made",
      Error);
}

TEST_CASE("anomaly mode is off outside of its scope, and on other threads") {
  CHECK_FALSE(anomaly_mode());
  {
    const DetectAnomaly guard;
    CHECK(anomaly_mode());
    bool other = true;
    std::thread([&] { other = anomaly_mode(); }).join();
    CHECK_FALSE(other);
    const DetectAnomaly off(false);
    CHECK(values(log(row({0})))[0] == -kInfinity);
  }
  CHECK(values(log(row({0})))[0] == -kInfinity);
  CHECK_THROWS_AS(
      [] {
        const DetectAnomaly guard;
        log(row({0}));
      }(),
      Error);
  CHECK_FALSE(anomaly_mode());
}

}  // namespace
}  // namespace tsr::test
