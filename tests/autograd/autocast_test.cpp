// Autocast: which op computes in which dtype, and what its casts cost and promise.
#include "autograd/autocast.h"

#include <cmath>
#include <doctest/doctest.h>
#include <fstream>
#include <sstream>
#include <thread>

#include "autograd/checkpoint.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/random.h"
#include "tests/autograd/tape_helpers.h"

namespace tsr {
namespace {

Tensor drawn(const Shape& shape, std::uint64_t seed, DType dtype = float32) {
  Generator generator(seed);
  return normal(shape, generator, 0, 1, dtype);
}

Tensor parameter(const Shape& shape, std::uint64_t seed) {
  Tensor w = drawn(shape, seed);
  w.requires_grad_();
  return w;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  return max(abs(a.to(float64) - b.to(float64))).item();
}

/// The row of docs/mixed-precision.md that begins with a policy's name.
std::string documented(const std::string& policy) {
  std::ifstream in(TESSERA_SOURCE_DIR "/docs/mixed-precision.md");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(text("| `", policy, "` |"))) return line;
  return "";
}

TEST_CASE("the page lists every op whose policy casts") {
  int casting = 0;
  for (const OpInfo* info : OpInfo::all()) {
    const char* policy = info->policy == CastPolicy::low      ? "low"
                         : info->policy == CastPolicy::full   ? "full"
                         : info->policy == CastPolicy::widest ? "widest"
                         : info->policy == CastPolicy::mixed  ? "mixed"
                                                              : nullptr;
    if (policy == nullptr) continue;
    CAPTURE(std::string(info->name));
    CHECK(documented(policy).find("`" + std::string(info->name) + "`") != std::string::npos);
    ++casting;
  }
  CHECK(casting >= 20);
}

TEST_CASE("each op computes in the dtype of its policy") {
  const Tensor x = drawn({4, 6}, 1), w = drawn({3, 6}, 2), half = x.to(bfloat16);
  const Tensor images = drawn({1, 5, 5, 2}, 3), kernels = drawn({4, 3, 3, 2}, 4);
  const Tensor labels = from_values(std::vector<std::int64_t>{0, 2, 1, 5}, {4});
  for (const DType dtype : {bfloat16, float16}) {
    const Autocast guard(dtype);
    CHECK(matmul(x, transpose(w)).dtype() == dtype);
    CHECK(matmul(half, transpose(w)).dtype() == dtype);
    CHECK(linear(x, w, drawn({3}, 5)).dtype() == dtype);
    CHECK(conv2d(images, kernels, drawn({4}, 6)).dtype() == dtype);
    for (const Tensor& y : {softmax(half), log_softmax(half), logsumexp(half), cross_entropy(half, labels),
                            sum(half), mean(half), norm(half), var(half), exp(half), log(half),
                            l2_normalize(half), half + x, x * half, concat({half, x}, 0),
                            where(lt(half, x), half, x), maximum(x, half), masked_fill(x, lt(x, half), 1)})
      CHECK(y.dtype() == float32);
    for (const Tensor& y : {relu(half), half + half, half * 2.0, max(half), transpose(half), sqrt(half)})
      CHECK(y.dtype() == bfloat16);
    CHECK(matmul(x.to(float64), transpose(w.to(float64))).dtype() == float64);
  }
  CHECK(matmul(x, transpose(w)).dtype() == float32);
  CHECK(softmax(half).dtype() == bfloat16);
  CHECK_THROWS_WITH_AS(
      half + x, "add: bfloat16[4, 6] and float32[4, 6] differ in dtype; convert one with cast(x, bfloat16)",
      Error);
  CHECK_THROWS_WITH_AS(Autocast{int64}, doctest::Contains("autocast: int64; choose bfloat16"), Error);
}

TEST_CASE("float32 parameters get float32 gradients, those of the casts written out") {
  const Tensor x = drawn({5, 6}, 1);
  Tensor w = parameter({4, 6}, 2), b = parameter({4}, 3);
  Tensor loss;
  {
    const Autocast guard(bfloat16);
    loss = cross_entropy(relu(linear(x, w, b)), from_values(std::vector<std::int64_t>{0, 1, 2, 3, 0}, {5}));
  }
  loss.backward();
  Tensor w2 = w.detach(), b2 = b.detach();
  w2.requires_grad_();
  b2.requires_grad_();
  const Tensor logits = relu(linear(cast(x, bfloat16), cast(w2, bfloat16), cast(b2, bfloat16)));
  const Tensor written =
      cross_entropy(cast(logits, float32), from_values(std::vector<std::int64_t>{0, 1, 2, 3, 0}, {5}));
  written.backward();
  CHECK(loss.item() == written.item());
  CHECK(w.grad().dtype() == float32);
  CHECK(b.grad().dtype() == float32);
  CHECK(largest_difference(w.grad(), w2.grad()) == 0);
  CHECK(largest_difference(b.grad(), b2.grad()) == 0);
}

TEST_CASE("a leaf is cast once a scope, and again when it has changed") {
  const Tensor x = drawn({2, 6}, 1);
  const Tensor w = parameter({4, 6}, 2);
  const auto cast_in = [&](const Tensor& y) { return find_node(y)->inputs[1].node; };
  const std::int64_t before = test::live_bytes();
  {
    const Autocast guard(bfloat16);
    const Tensor first = linear(x, w);
    {
      const Autocast inner(bfloat16);
      CHECK(cast_in(first) == cast_in(linear(x, w)));
    }
    CHECK(cast_in(first) == cast_in(linear(x, w)));
    const Autocast other(float16);
    CHECK(linear(x, w).dtype() == float16);
  }
  CHECK(test::live_bytes() == before);  // what was kept is gone
  const Autocast guard(bfloat16);
  const Tensor first = linear(x, w);
  fill_with(w, 0.5);
  const Tensor second = linear(x, w);
  CHECK(cast_in(first) != cast_in(second));
  CHECK(largest_difference(second, linear(x, w.detach())) == 0);
}

TEST_CASE("the casts that are kept can be recorded and walked again") {
  const Tensor x = drawn({2, 6}, 1), w = parameter({4, 6}, 2);
  const Autocast guard(bfloat16);
  {
    const NoGrad no_tape;
    CHECK_FALSE(linear(x, w).requires_grad());
  }
  for (int step = 0; step < 2; ++step) {
    const Tensor loss = sum(linear(x, w) + linear(x, w));
    REQUIRE(loss.requires_grad());
    loss.backward();  // within the scope: it computes in the dtypes of the forward all the same
  }
  const Tensor expected = broadcast_to(sum(x.to(bfloat16).to(float32), {0}, true), {4, 6}) * 4.0;
  CHECK(w.grad().dtype() == float32);
  CHECK(largest_difference(w.grad(), expected) < 0.05);
}

TEST_CASE("a checkpoint runs again under the autocast that it first ran under") {
  const Tensor x = drawn({2, 6}, 1);
  const Tensor w = parameter({6, 6}, 2);
  const auto twice = [&w](const Tensors& in) { return relu(matmul(relu(matmul(in[0], w)), w)); };
  const auto gradient = [&](bool with_checkpoint) {
    w.set_grad({});
    Tensor loss;
    {
      const Autocast guard(bfloat16);
      Tensor y = matmul(x, w);  // the weight's cast is kept from here on
      for (int part = 0; part < 2; ++part)
        y = with_checkpoint ? checkpoint(std::function<Tensor(const Tensors&)>(twice), {y}) : twice({y});
      loss = sum(matmul(y, w));
    }
    loss.backward();
    return w.grad();
  };
  const Tensor expected = gradient(false), ours = gradient(true);
  CHECK(ours.dtype() == float32);
  CHECK(max(abs(expected)).item() > 0);
  // each segment has its own cast, so the same terms are added in another order, in bfloat16
  CHECK(largest_difference(ours, expected) <= 0.02 * max(abs(expected)).item());
}

TEST_CASE("autocast ends with its scope, is turned off by float32, and is the thread's own") {
  const Tensor x = drawn({2, 2}, 1);
  CHECK_FALSE(Autocast::enabled());
  CHECK_THROWS_AS(
      [] {
        const Autocast guard(bfloat16);
        throw Error("x");
      }(),
      Error);
  CHECK_FALSE(Autocast::enabled());
  const Autocast guard(bfloat16);
  {
    const Autocast off(float32);
    CHECK(matmul(x, x).dtype() == float32);
  }
  CHECK(matmul(x, x).dtype() == bfloat16);
  DType elsewhere = bfloat16;
  std::thread([&] { elsewhere = matmul(x, x).dtype(); }).join();
  CHECK(elsewhere == float32);
}

TEST_CASE("batch norm takes low precision images beside float32 parameters and statistics") {
  for (const bool training : {true, false}) {
    Tensor x = drawn({40, 3}, 1, bfloat16), weight = parameter({3}, 2), bias = parameter({3}, 3);
    const Tensor residual = drawn({40, 3}, 4, bfloat16), upstream = drawn({40, 3}, 5, bfloat16);
    x.requires_grad_();
    Tensor wide_x = x.detach().to(float32), wide_weight = weight.detach(), wide_bias = bias.detach();
    for (Tensor* leaf : {&wide_x, &wide_weight, &wide_bias}) leaf->requires_grad_();
    const Tensor mean = zeros({3}), variance = ones({3}), wide_mean = zeros({3}), wide_variance = ones({3});
    const BatchNormOptions options{.training = training, .relu = true};
    const Autocast guard(bfloat16);
    const Tensor y = batch_norm(x, weight, bias, mean, variance, options, residual);
    const Tensor wide =
        batch_norm(wide_x, wide_weight, wide_bias, wide_mean, wide_variance, options, residual.to(float32));
    CHECK(y.dtype() == bfloat16);
    CHECK(largest_difference(y, wide.detach().to(bfloat16)) == 0);
    CHECK(largest_difference(mean, wide_mean) == 0);
    CHECK(largest_difference(variance, wide_variance) == 0);
    backward(y, upstream);
    backward(wide, upstream.to(float32));
    CHECK(x.grad().dtype() == bfloat16);
    CHECK(largest_difference(x.grad(), wide_x.grad().to(bfloat16)) < 0.02);
    for (const auto& [ours, reference] : {std::pair{weight, wide_weight}, {bias, wide_bias}}) {
      CHECK(ours.grad().dtype() == float32);
      CHECK(largest_difference(ours.grad(), reference.grad()) < 1e-4);
    }
  }
  CHECK_THROWS_WITH_AS(
      batch_norm(zeros({2, 3}, bfloat16), {}, {}, zeros({3}), ones({3}), {}, zeros({2, 3})),
      "batch_norm: x bfloat16[2, 3] and residual float32[2, 3] differ in dtype; convert one with cast(x, "
      "bfloat16)",
      Error);
}

}  // namespace
}  // namespace tsr
