// Cases of batch norm, and what it promises about running statistics, large means and several processes.
#include <cmath>
#include <cstring>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tensor/random.h"
#include "tests/ops/op_case.h"
#include "tests/ops/thread_group.h"

namespace tsr::test {
namespace {

constexpr double kBatchNormEpsilon = 1e-5;

struct Moments {
  std::vector<double> mean, variance;
};

Moments moments(const Tensor& x) {
  const std::int64_t channels = x.size(-1), rows = channels == 0 ? 0 : x.numel() / channels;
  Moments m{std::vector<double>(static_cast<std::size_t>(channels)), {}};
  m.variance = m.mean;
  const double* data = x.data<double>();
  for (std::int64_t i = 0; i < x.numel(); ++i)
    m.mean[static_cast<std::size_t>(i % channels)] += data[i] / static_cast<double>(rows);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const auto c = static_cast<std::size_t>(i % channels);
    m.variance[c] += std::pow(data[i] - m.mean[c], 2) / static_cast<double>(rows);
  }
  return m;
}

/// Inputs: x, weight, bias and, when `residual`, a residual.
Tensor reference(const Tensors& in, const Moments& m, bool relu, bool residual) {
  Tensor y = in[0].clone();
  const std::int64_t channels = y.size(-1);
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const std::int64_t at = i % channels;
    const auto c = static_cast<std::size_t>(at);
    double v = (in[0].data<double>()[i] - m.mean[c]) / std::sqrt(m.variance[c] + kBatchNormEpsilon) *
                   in[1].data<double>()[at] +
               in[2].data<double>()[at];
    if (residual) v += in[3].data<double>()[i];
    y.data<double>()[i] = relu && v < 0 ? 0 : v;
  }
  return y;
}

Tensor running(const Tensor& x, double value) { return full({x.size(-1)}, value, x.dtype(), x.device()); }

std::vector<Variant> variants(bool residual) {
  const auto variant = [&](const Shape& shape, bool strided, bool gradients, Values values = Values::normal) {
    const Shape channels{shape.back()};
    Variant v{{{shape, values, 0, strided}, {channels, Values::positive}, {channels}}, gradients};
    if (residual) v.inputs.push_back({shape, Values::normal, 0, strided});
    return v;
  };
  return {variant({5, 3}, false, true),
          variant({2, 3, 2, 5}, true, true),
          variant({3, 0}, false, true),
          variant({2, 2, 2, 17}, false, true),
          variant({4, 1}, false, true),
          variant({700, 40}, false, false),
          variant({300, 15}, false, false, Values::huge),
          variant({67, 300}, false, false)};
}

bool training_case(bool relu, bool residual) {
  return add_case(
      {.name = "batch_norm",
       .kernels = {"batch_norm_stats", "batch_norm_fwd", "batch_norm_bwd_stats", "batch_norm_bwd"},
       .call =
           [=](const Tensors& in) {
             return batch_norm(in[0], in[1], in[2], running(in[0], 0), running(in[0], 1), {.relu = relu},
                               residual ? in[3] : Tensor());
           },
       .reference = [=](const Tensors& in) { return reference(in, moments(in[0]), relu, residual); },
       .variants = variants(residual),
       .differentiable = Differentiable::once,
       .tolerance32 = 2e-5,
       .benchmark = {{{256, 32, 32, 64}}, {{64}}, {{64}}}});
}

bool evaluation_case(bool relu, bool residual) {
  return add_case({.name = "batch_norm_eval",
                   .kernels = {"batch_norm_fwd"},
                   .call =
                       [=](const Tensors& in) {
                         return batch_norm(in[0], in[1], in[2], running(in[0], 0.25), running(in[0], 2),
                                           {.training = false, .relu = relu}, residual ? in[3] : Tensor());
                       },
                   .reference =
                       [=](const Tensors& in) {
                         const auto channels = static_cast<std::size_t>(in[0].size(-1));
                         return reference(
                             in, {std::vector<double>(channels, 0.25), std::vector<double>(channels, 2)},
                             relu, residual);
                       },
                   .variants = variants(residual)});
}

const bool batch_norm_cases[] = {training_case(false, false),   training_case(true, false),
                                 training_case(false, true),    training_case(true, true),
                                 evaluation_case(false, false), evaluation_case(true, true)};

double largest_difference(const Tensor& a, const Tensor& b) {
  return max(abs(a.to(float64) - b.to(float64))).item();
}

TEST_CASE("batch norm moves the running statistics towards the batch's, the variance unbiased") {
  const Tensor x = from_values({1, 10, 3, 20, 8, 60}, {3, 2}), mean = from_values({1, 2}, {2}),
               variance = from_values({3, 4}, {2});
  const auto version = mean.version();
  batch_norm(x, {}, {}, mean, variance, {.momentum = 0.25});
  CHECK(largest_difference(mean, from_values({1.75F, 9}, {2})) < 1e-6);
  CHECK(largest_difference(variance, from_values({0.75F * 3 + 0.25F * 13, 0.75F * 4 + 0.25F * 700}, {2})) <
        1e-4);
  CHECK(mean.version() > version);
  const Tensor before = mean.clone();
  batch_norm(x, {}, {}, mean, variance, {.training = false});
  CHECK(largest_difference(mean, before) == 0);
}

TEST_CASE("batch norm keeps a small deviation beside a large mean") {
  Generator generator(7);
  const Tensor x = normal({3000, 9}, generator, 1e4, 0.1, float64).to(float32);
  const Tensor mean = zeros({9}), variance = zeros({9});
  batch_norm(x, {}, {}, mean, variance, {.momentum = 1});
  const Moments exact = moments(x.to(float64));
  for (std::size_t c = 0; c < 9; ++c) {
    CHECK(variance.data<float>()[c] == doctest::Approx(exact.variance[c] * 3000 / 2999).epsilon(1e-4));
    CHECK(std::abs(mean.data<float>()[c] - exact.mean[c]) < 1e-3);
  }
}

TEST_CASE("batch norm without weight and bias normalises only") {
  Generator generator(8);
  const Tensor x = normal({50, 4}, generator, 3, 2, float64);
  const Tensor y = batch_norm(x, {}, {}, zeros({4}, float64), ones({4}, float64), {});
  CHECK(largest_difference(mean(y, {0}), zeros({4}, float64)) < 1e-12);
  CHECK(largest_difference(mean(y * y, {0}), ones({4}, float64)) < 1e-4);
}

TEST_CASE("two processes normalise by their common statistics") {
  Generator generator(9);
  const Tensor x = normal({10, 3}, generator, 1, 2, float64), weight = uniform({3}, generator, 1, 2, float64),
               upstream = normal({10, 3}, generator, 0, 1, float64);
  const auto start = [&](const Tensor& rows) {
    Tensor leaf = rows.clone();
    return leaf.requires_grad_();
  };
  const Tensor whole = start(x), whole_weight = start(weight), mean = zeros({3}, float64),
               variance = ones({3}, float64);
  const Tensor y = batch_norm(whole, whole_weight, {}, mean, variance, {.relu = true});
  backward(y, upstream);

  // unequal shares: the means must be weighted by their counts
  const std::int64_t first[] = {0, 4, 10};
  Tensors parts(2), grads(2), weight_grads(2), means(2), variances(2);
  ThreadGroup().run([&](int rank) {
    const auto r = static_cast<std::size_t>(rank);
    const Tensor mine = start(slice(x, 0, first[r], first[r + 1])), my_weight = start(weight);
    means[r] = zeros({3}, float64);
    variances[r] = ones({3}, float64);
    parts[r] = batch_norm(mine, my_weight, {}, means[r], variances[r], {.relu = true});
    backward(parts[r], slice(upstream, 0, first[r], first[r + 1]));
    grads[r] = mine.grad();
    weight_grads[r] = my_weight.grad();
  });
  CHECK(largest_difference(concat(parts, 0), y) < 1e-12);
  CHECK(largest_difference(concat(grads, 0), whole.grad()) < 1e-12);
  CHECK(largest_difference(weight_grads[0] + weight_grads[1], whole_weight.grad()) < 1e-12);
  for (const Tensor& ours : means) CHECK(largest_difference(ours, mean) < 1e-12);
  for (const Tensor& ours : variances) CHECK(largest_difference(ours, variance) < 1e-12);
}

/// What the two kernels that write tensors of x's shape give for some rows: y, grad_x and grad_residual,
/// below one another. The statistics and sums are those of the caller.
Tensor written_by_kernels(const Tensor& x, const Tensor& grad, const Tensors& channels) {
  const Tensor &mean = channels[0], &inv_std = channels[1], &weight = channels[2], &bias = channels[3];
  const Tensor y = empty(x.shape()), grad_x = empty(x.shape()), grad_residual = empty(x.shape());
  Context context(Device::cpu);
  batch_norm_fwd(context, x.view(), mean.view(), inv_std.view(), weight.view(), bias.view(), grad.view(),
                 y.view(), true);
  batch_norm_bwd(context, grad.view(), x.view(), y.view(), mean.view(), inv_std.view(), weight.view(),
                 bias.view(), mean.view(), 1000, grad_x.view(), grad_residual.view(), true);
  return stack({y, grad_x, grad_residual}, 0);
}

TEST_CASE("batch norm gives the same bits for a tensor larger than the caches as for its parts") {
  Generator generator(10);
  const std::int64_t rows = (std::int64_t{1} << 17) + 6, channels = 64, half = rows / 2;
  const Tensor x = uniform({rows, channels}, generator, -2, 2),
               grad = uniform({rows, channels}, generator, -2, 2);
  Tensors per_channel;
  for (int i = 0; i < 4; ++i) per_channel.push_back(uniform({channels}, generator, 0.5, 2));
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    return written_by_kernels(slice(x, 0, begin, end), slice(grad, 0, begin, end), per_channel);
  };
  const Tensor whole = part(0, rows), parts = concat({part(0, half), part(half, rows)}, 1);
  CHECK(std::memcmp(whole.raw(), parts.raw(), static_cast<std::size_t>(whole.numel()) * sizeof(float)) == 0);
}

TEST_CASE("batch norm says what doesn't fit") {
  const Tensor mean = zeros({4}), variance = ones({4});
  CHECK_THROWS_WITH_AS(batch_norm(zeros({1, 4}), {}, {}, mean, variance, {}),
                       "batch_norm: x float32[1, 4] has one value a channel, whose variance is 0; train on "
                       "more than one row",
                       Error);
  CHECK_THROWS_WITH_AS(
      batch_norm(zeros({5, 3}), {}, {}, mean, variance, {}),
      "batch_norm: x float32[5, 3] has 3 channels, but weight, bias, running mean or variance "
      "is float32[4]",
      Error);
  CHECK_THROWS_WITH_AS(batch_norm(zeros({5, 4}), {}, {}, mean, variance, {}, zeros({5, 1})),
                       "batch_norm: x float32[5, 4] and residual float32[5, 1] differ in shape", Error);
}

}  // namespace
}  // namespace tsr::test
