// attention: values against loops over the whole matrix of weights, gradients against the composed ops.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <map>

#include "autograd/ops.h"
#include "tensor/allocator.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tests/ops/op_check.h"
#include "tests/ops/philox_words.h"

namespace tsr::test {
namespace {

/// What comes after q, k and v among a case's inputs, and how attention is asked for.
struct AttentionSetting {
  bool causal = false, biased = false, masked = false;
  std::optional<double> scale = {};
  double dropout = 0;

  /// `in` ends with the bias and the mask.
  AttentionOptions options(const Tensors& in, Generator& generator) const {
    return {.scale = scale,
            .causal = causal,
            .bias = biased ? in[in.size() - 1 - (masked ? 1 : 0)] : Tensor(),
            .key_mask = masked ? in.back() : Tensor(),
            .dropout = dropout,
            .generator = &generator};
  }
  Tensor call(const Tensors& in) const {
    Generator generator(kSeed, kDraw);
    return attention(in[0], in[1], in[2], options(in, generator));
  }
  Tensor call_packed(const Tensors& in) const {
    Generator generator(kSeed, kDraw);
    return attention_qkv(in[0], options(in, generator));
  }
  /// What the weight that is the i-th of [N, heads, n, m] is multiplied by.
  double keep(std::int64_t i) const {
    if (words_of(i)[static_cast<std::size_t>(i % 4)] < dropout * 0x1p32) return 0;
    return 1 / (1 - dropout);
  }
};

/// What (sample, head, query, key) is in a tensor that broadcasts to [N, heads, n, m].
double broadcast_at(const Tensor& x, std::array<std::int64_t, 4> place) {
  std::int64_t offset = 0;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const std::int64_t at = place[4 - static_cast<std::size_t>(x.rank() - axis)];
    offset = offset * x.shape()[axis] + (x.shape()[axis] == 1 ? 0 : at);
  }
  return x.data<double>()[offset];
}

/// One query's row by loops: y += Σ weight·v.
void attend(const Tensors& in, const AttentionSetting& setting, std::int64_t sample, std::int64_t head,
            std::int64_t query, double* y) {
  const std::int64_t n = in[0].size(2), m = in[1].size(2), d = in[0].size(3);
  const std::int64_t which = sample * in[0].size(1) + head;
  const double *q = in[0].data<double>() + (which * n + query) * d, *k = in[1].data<double>() + which * m * d,
               *v = in[2].data<double>() + which * m * d;
  const double scale = setting.scale.value_or(1 / std::sqrt(static_cast<double>(d)));
  std::vector<double> scores(static_cast<std::size_t>(m), -INFINITY);
  for (std::int64_t j = 0; j < m; ++j) {
    if (setting.causal && j > query + m - n) continue;
    if (setting.masked && !in.back().data<bool>()[sample * m + j]) continue;
    double dot = 0;
    for (std::int64_t x = 0; x < d; ++x) dot += q[x] * k[j * d + x];
    scores[static_cast<std::size_t>(j)] =
        scale * dot + (setting.biased ? broadcast_at(in[3], {sample, head, query, j}) : 0);
  }
  const double top = m > 0 ? *std::ranges::max_element(scores) : -INFINITY;
  if (top == -INFINITY) return;
  double total = 0;
  for (const double score : scores) total += std::exp(score - top);
  for (std::int64_t j = 0; j < m; ++j) {
    const double weight = std::exp(scores[static_cast<std::size_t>(j)] - top) / total *
                          setting.keep((which * n + query) * m + j);
    for (std::int64_t x = 0; x < d; ++x) y[x] += weight * v[j * d + x];
  }
}

Tensor by_loops(const Tensors& in, const AttentionSetting& setting) {
  Tensor y = zeros(in[0].shape(), float64);
  double* row = y.data<double>();
  for (std::int64_t sample = 0; sample < y.size(0); ++sample)
    for (std::int64_t head = 0; head < y.size(1); ++head)
      for (std::int64_t query = 0; query < y.size(2); ++query, row += y.size(3))
        attend(in, setting, sample, head, query, row);
  return y;
}

struct AttentionSizes {
  std::int64_t batch, heads, n, m, d;
};

Variant sized_variant(const AttentionSizes& s, bool gradients, Values values = Values::normal,
                      const std::vector<Input>& rest = {}, bool strided = false) {
  Variant result{{{{s.batch, s.heads, s.n, s.d}, values, 0, strided},
                  {{s.batch, s.heads, s.m, s.d}, values, 0, strided},
                  {{s.batch, s.heads, s.m, s.d}, Values::normal, 0, strided}},
                 gradients};
  result.large = s.batch * s.heads * s.n * s.m * s.d > std::int64_t{1} << 22;
  result.inputs.insert(result.inputs.end(), rest.begin(), rest.end());
  return result;
}

bool attention_case(const AttentionSetting& setting, std::vector<Variant> variants) {
  return add_case({.name = "attention",
                   .kernels = {"attention_fwd", "attention_bwd"},
                   .call = [=](const Tensors& x) { return setting.call(x); },
                   .reference = [=](const Tensors& x) { return by_loops(x, setting); },
                   .variants = std::move(variants),
                   .differentiable = Differentiable::once});
}

/// Shapes that every kind of attention should stand; `rest` makes its further inputs.
std::vector<Variant> shapes(const std::function<std::vector<Input>(const AttentionSizes&)>& rest) {
  std::vector<Variant> variants;
  for (const auto& [sizes, gradients] :
       std::initializer_list<std::pair<AttentionSizes, bool>>{{{1, 1, 1, 1, 1}, true},
                                                              {{2, 3, 7, 7, 4}, true},
                                                              {{1, 2, 3, 9, 5}, true},
                                                              {{2, 1, 9, 4, 3}, true},
                                                              {{1, 2, 64, 64, 16}, false},
                                                              {{2, 1, 33, 130, 24}, false},
                                                              {{1, 1, 197, 197, 64}, false},
                                                              {{1, 2, 257, 300, 40}, false}})
    variants.push_back(sized_variant(sizes, gradients, Values::normal, rest(sizes)));
  return variants;
}

std::vector<Input> nothing(const AttentionSizes&) { return {}; }
std::vector<Input> bias(const AttentionSizes& s) { return {{{s.heads, s.n, s.m}}}; }
std::vector<Input> mask(const AttentionSizes& s) { return {{{s.batch, s.m}, Values::mask}}; }

std::vector<Variant> plain() {
  std::vector<Variant> variants = shapes(nothing);
  for (Variant& each : std::vector<Variant>{
           sized_variant({0, 2, 3, 3, 4}, true), sized_variant({1, 2, 0, 3, 4}, true),
           sized_variant({1, 2, 3, 0, 4}, true), sized_variant({1, 2, 0, 3, 8}, true),
           sized_variant({1, 2, 3, 0, 8}, true),
           sized_variant({2, 2, 5, 6, 4}, true, Values::normal, {}, true),
           sized_variant({1, 2, 65, 67, 20}, false, Values::normal, {}, true),
           sized_variant({1, 1, 7, 7, 8}, false, Values::huge),
           sized_variant({1, 1, 64, 64, 16}, false, Values::rising),
           sized_variant({2, 1, 40, 40, 32}, true, Values::equal), sized_variant({1, 1, 20, 20, 128}, false),
           sized_variant({1, 2, 70, 66, 64}, true), sized_variant({1, 1, 1, 3000, 16}, false),
           sized_variant({1, 2, 1000, 1000, 80}, false), sized_variant({1, 1, 4096, 4096, 16}, false)})
    variants.push_back(std::move(each));
  return variants;
}

std::vector<Variant> biased() {
  std::vector<Variant> variants = shapes(bias);
  variants.push_back(sized_variant({2, 2, 4, 5, 3}, true, Values::normal, {{{2, 1, 4, 1}}}));
  // of two tiles of queries, and heads whose size tensor cores take
  variants.push_back(sized_variant({2, 2, 70, 9, 8}, true, Values::normal, {{{2, 2, 70, 9}}}));
  return variants;
}

/// [N, n, 3, heads, head_dim] as attention's q, k and v, and what follows it.
Tensors unpacked(const Tensors& in) {
  Tensors result = unbind(permute(in[0], {2, 0, 3, 1, 4}));
  for (Tensor& x : result) x = contiguous(x);
  result.insert(result.end(), in.begin() + 1, in.end());
  return result;
}

bool packed_case(const AttentionSetting& setting, std::vector<Variant> variants) {
  return add_case({.name = "attention_qkv",
                   .kernels = {"attention_fwd", "attention_bwd"},
                   .call = [=](const Tensors& in) { return setting.call_packed(in); },
                   .reference = [=](const Tensors& in) { return by_loops(unpacked(in), setting); },
                   .variants = std::move(variants),
                   .differentiable = Differentiable::once});
}

/// Scores that are the bias alone (the scale is 0), as large as they come: naively, too, a float32 score of
/// 1e4 that is a sum has lost the digits that count.
std::vector<Variant> large_scores() {
  return {sized_variant({2, 2, 4, 7, 3}, true, Values::normal, {{{4, 7}, Values::rising}}),
          sized_variant({2, 2, 40, 70, 8}, false, Values::normal, {{{40, 70}, Values::huge}}),
          sized_variant({1, 2, 50, 90, 8}, false, Values::normal, {{{50, 90}, Values::rising, 0, true}}),
          sized_variant({1, 2, 3, 600, 8}, false, Values::normal, {{{3, 600}, Values::rising}})};
}

/// A bias, then a mask.
std::vector<Input> both(const AttentionSizes& s) { return {{{s.n, s.m}}, {{s.batch, s.m}, Values::mask}}; }

const bool attention_cases[] = {
    attention_case({}, plain()),
    attention_case({.causal = true}, shapes(nothing)),
    attention_case({.biased = true}, biased()),
    attention_case({.biased = true, .scale = 0}, large_scores()),
    attention_case({.masked = true, .scale = 0.7}, shapes(mask)),
    attention_case({.dropout = 0.3},
                   {sized_variant({2, 3, 7, 6, 4}, true), sized_variant({1, 2, 70, 9, 8}, true),
                    sized_variant({1, 1, 65, 67, 20}, false)}),
    attention_case({.causal = true, .biased = true, .masked = true}, shapes(both)),
    packed_case({}, {{{{{1, 1, 3, 1, 1}}}, true},
                     {{{{2, 7, 3, 3, 4}}}, true},
                     {{{{2, 5, 3, 2, 8}, Values::normal, 0, true}}, true},
                     {{{{2, 0, 3, 2, 4}}}, true},
                     {{{{1, 197, 3, 1, 64}}}, false}}),
    packed_case({.causal = true, .biased = true, .masked = true, .dropout = 0.3},
                {{{{{2, 6, 3, 2, 4}}, {{2, 6, 6}}, {{2, 6}, Values::mask}}, true}})};

double largest(const Tensor& x) { return x.numel() > 0 ? max(abs(x)).item() : 0; }

/// Four tensors drawn for q, k, v and the gradient of y.
Tensors drawn(const AttentionSizes& s, DType dtype, std::uint64_t seed = 1) {
  Generator generator(seed);
  Tensors result;
  for (const std::int64_t tokens : {s.n, s.m, s.m, s.n})
    result.push_back(normal({s.batch, s.heads, tokens, s.d}, generator).to(dtype));
  return result;
}

/// The same by ops that keep every weight, in the operands' dtype.
Tensor composed_attention(const Tensors& in, const AttentionOptions& options) {
  const std::int64_t n = in[0].size(2), m = in[1].size(2);
  Tensor scores = matmul(in[0], transpose(in[1])) *
                  options.scale.value_or(1 / std::sqrt(static_cast<double>(in[0].size(3))));
  if (options.bias.defined()) scores = scores + options.bias;
  if (options.key_mask.defined())
    scores = masked_fill(scores, logical_not(reshape(options.key_mask, {in[0].size(0), 1, 1, m})), -INFINITY);
  if (options.causal)
    scores = masked_fill(scores, logical_not(tril(ones({n, m}, boolean), m - n)), -INFINITY);
  Tensor weights = softmax(scores);
  if (options.dropout > 0) weights = dropout(weights, options.dropout, *options.generator);
  return matmul(weights, in[2]);
}

/// Values and gradients (that of a bias, too) in a dtype on a device against the composed ops' in float64.
void check_against_composed(const AttentionSizes& sizes,
                            const std::function<AttentionOptions(DType)>& options, double tolerance,
                            DType dtype = float32, Device device = Device::cpu) {
  const Tensors values = drawn(sizes, dtype);
  Tensors ours, theirs;
  for (std::size_t i = 0; i < 3; ++i) {
    ours.push_back(values[i].to(device).requires_grad_());
    theirs.push_back(values[i].to(float64).requires_grad_());
  }
  AttentionOptions given = options(dtype), exactly = options(float64);
  if (given.key_mask.defined()) given.key_mask = given.key_mask.to(device);
  if (given.bias.defined()) {
    ours.push_back(given.bias = given.bias.to(device).clone().requires_grad_());
    theirs.push_back(exactly.bias = exactly.bias.clone().requires_grad_());
  }
  const Tensor y = attention(ours[0], ours[1], ours[2], given),
               expected = composed_attention(theirs, exactly);
  const auto error = [](const Tensor& x, const Tensor& exact) {
    return largest(x.detach().to(Device::cpu).to(float64) - exact.detach());
  };
  CHECK_MESSAGE(error(y, expected) < tolerance, "y at n = ", sizes.n, ", m = ", sizes.m, ", d = ", sizes.d);
  const Tensors grads = grad(y, ours, values[3].to(device)),
                exact = grad(expected, theirs, values[3].to(float64));
  for (std::size_t i = 0; i < exact.size(); ++i)
    CHECK_MESSAGE(error(grads[i], exact[i]) < tolerance * std::max(1.0, largest(exact[i])), "gradient ", i,
                  " at n = ", sizes.n, ", m = ", sizes.m, ", d = ", sizes.d);
}

TEST_CASE("gradients of long sequences are those of the composed ops") {
  const auto plain = [](DType) { return AttentionOptions{}; };
  for (const AttentionSizes& sizes : std::initializer_list<AttentionSizes>{{2, 3, 197, 197, 64},
                                                                           {1, 2, 257, 257, 72},
                                                                           {1, 1, 1000, 1000, 32},
                                                                           {1, 1, 4096, 4096, 16},
                                                                           {1, 2, 300, 700, 128}})
    check_against_composed(sizes, plain, 1e-5);
  check_against_composed(
      {1, 2, 500, 600, 48}, [](DType) { return AttentionOptions{.causal = true}; }, 1e-5);
}

TEST_CASE("bias and masks meet the gradients of long sequences") {
  Generator generator(3);
  const Tensor bias = normal({2, 150, 400}, generator), tokens = uniform({3, 400}, generator);
  const auto options = [&](DType dtype) {
    return AttentionOptions{.bias = bias.to(dtype), .key_mask = lt(tokens, scalar_like(0.5, tokens))};
  };
  check_against_composed({3, 2, 150, 400, 32}, options, 1e-5);
}

TEST_CASE("dropout of the weights is dropout's, and the backward meets the same ones") {
  for (const double p : {0.1, 0.7}) {
    std::vector<Generator> generators(2, Generator(9));
    const auto options = [&](DType dtype) {
      return AttentionOptions{.dropout = p, .generator = &generators[dtype == float64]};
    };
    check_against_composed({2, 3, 61, 131, 16}, options, 1e-5);
    CHECK(generators[0].draw() == 1);
  }
}

// Heads of whole chunks of 16 bytes in low precision: cuda/mma_attention.h. What it rounds to its dtype are
// weights of at most 1 and results.
void check_on_tensor_cores(const AttentionSizes& sizes,
                           const std::function<AttentionOptions(DType)>& options) {
  check_against_composed(sizes, options, 0x1p-6, bfloat16, Device::emu);
  check_against_composed(sizes, options, 0x1p-9, float16, Device::emu);
}

TEST_CASE("attention on tensor cores on emu: tiles, heads and their edges") {
  const auto plain = [](DType) { return AttentionOptions{}; };
  for (const AttentionSizes& sizes : std::initializer_list<AttentionSizes>{{2, 2, 64, 64, 32},
                                                                           {1, 1, 1, 1, 8},
                                                                           {1, 2, 130, 70, 16},
                                                                           {1, 1, 70, 200, 40},
                                                                           {1, 2, 197, 197, 64},
                                                                           {1, 1, 65, 129, 72},
                                                                           {1, 1, 80, 65, 96},
                                                                           {1, 1, 65, 100, 128}})
    check_on_tensor_cores(sizes, plain);
}

TEST_CASE("attention on tensor cores on emu: what queries see") {
  Generator generator(3);
  const Tensor tokens = uniform({2, 150}, generator), mask = lt(tokens, scalar_like(0.5, tokens)),
               bias = normal({2, 140, 150}, generator, 0, 1, bfloat16);
  for (const std::int64_t d : {32, 64, 128}) {
    check_on_tensor_cores({1, 2, 140, 150, d}, [](DType) { return AttentionOptions{.causal = true}; });
    check_on_tensor_cores({2, 1, 67, 150, d}, [&](DType) { return AttentionOptions{.key_mask = mask}; });
    check_on_tensor_cores({1, 2, 140, 150, d},
                          [&](DType dtype) { return AttentionOptions{.bias = bias.to(dtype)}; });
    check_on_tensor_cores({2, 2, 140, 150, d}, [&](DType dtype) {
      return AttentionOptions{.scale = -0.2, .causal = true, .bias = bias.to(dtype), .key_mask = mask};
    });
  }
}

TEST_CASE("attention on tensor cores on emu: dropout is dropout's, and replayed") {
  for (const std::int64_t d : {16, 64, 128}) {
    std::map<DType, Generator> generators;
    for (const DType dtype : {bfloat16, float16}) {
      generators.clear();
      check_against_composed(
          {2, 1, 61, 131, d},
          [&](DType x) {
            Generator& own = generators.try_emplace(x, 9).first->second;
            return AttentionOptions{.dropout = 0.3, .generator = &own};
          },
          dtype == bfloat16 ? 0x1p-5 : 0x1p-8, dtype, Device::emu);
    }
  }
}

TEST_CASE("attention on tensor cores on emu: a query that sees nothing") {
  for (const DType dtype : {bfloat16, float16}) {
    const Tensors in = drawn({1, 2, 200, 60, 16}, dtype);  // the first 140 queries see no key
    Tensors leaves, seeing;
    for (std::size_t i = 0; i < 3; ++i) {
      leaves.push_back(in[i].to(Device::emu).requires_grad_());
      seeing.push_back((i == 0 ? slice(in[i], 2, 140, 200) : in[i]).to(float64).requires_grad_());
    }
    const AttentionResult result =
        attention_with_log_sum_exp(leaves[0], leaves[1], leaves[2], {.causal = true});
    const Tensor y = result.y.detach().to(Device::cpu), sums = result.log_sum_exp.to(Device::cpu);
    CHECK(largest(slice(y, 2, 0, 140)) == 0);
    CHECK(max(slice(sums, 2, 0, 140)).item() == -INFINITY);
    const AttentionResult exact =
        attention_with_log_sum_exp(seeing[0], seeing[1], seeing[2], {.causal = true});
    CHECK(largest(slice(sums, 2, 140, 200).to(float64) - exact.log_sum_exp) < 1e-5);
    const Tensors grads = grad(result.y, leaves, in[3].to(Device::emu)),
                  expected = grad(exact.y, seeing, slice(in[3], 2, 140, 200).to(float64));
    const Tensor grad_q = grads[0].to(Device::cpu).to(float64);
    CHECK(largest(slice(grad_q, 2, 0, 140)) == 0);
    const double tolerance = dtype == bfloat16 ? 0x1p-6 : 0x1p-9;
    CHECK(largest(slice(grad_q, 2, 140, 200) - expected[0]) < tolerance * largest(expected[0]));
    for (std::size_t i = 1; i < 3; ++i)
      CHECK(largest(grads[i].to(Device::cpu).to(float64) - expected[i]) < tolerance * largest(expected[i]));
  }
}

TEST_CASE("a query that sees nothing gets zeros, and gives no gradient") {
  const Tensors in = drawn({2, 2, 5, 6, 4}, float32);
  Tensors leaves;
  for (const Tensor& x : in) leaves.push_back(x.detach().requires_grad_());
  const Tensor mask = concat({zeros({1, 6}, boolean), ones({1, 6}, boolean)}, 0);
  const AttentionResult result =
      attention_with_log_sum_exp(leaves[0], leaves[1], leaves[2], {.key_mask = mask});
  CHECK(largest(select(result.y.detach(), 0, 0)) == 0);
  CHECK(largest(select(result.y.detach(), 0, 1)) > 0);
  CHECK(max(select(result.log_sum_exp, 0, 0)).item() == -INFINITY);
  const Tensors grads = grad(result.y, {leaves[0], leaves[1], leaves[2]}, in[3]);
  for (const Tensor& g : grads) {
    CHECK(largest(select(g, 0, 0)) == 0);
    CHECK(largest(select(g, 0, 1)) > 0);
  }
  // the first two of five queries see none of three keys
  const Tensors few = drawn({1, 1, 5, 3, 4}, float32);
  const Tensor y = attention(few[0], few[1], few[2], {.causal = true});
  CHECK(largest(slice(y, 2, 0, 2)) == 0);
  CHECK(largest(slice(y, 2, 2, 3) - slice(few[2], 2, 0, 1)) < 1e-6);
}

TEST_CASE("results over two sets of keys merge by their log-sum-exps") {
  const Tensors in = drawn({2, 2, 9, 300, 8}, float64);
  const AttentionResult all = attention_with_log_sum_exp(in[0], in[1], in[2]);
  AttentionResult parts[2];
  for (int i = 0; i < 2; ++i)
    parts[i] = attention_with_log_sum_exp(in[0], slice(in[1], 2, i * 100, i == 0 ? 100 : 300),
                                          slice(in[2], 2, i * 100, i == 0 ? 100 : 300));
  Tensor merged = zeros(all.y.shape(), float64), sum = zeros(all.log_sum_exp.shape(), float64);
  for (const auto& [y, log_sum_exp] : parts) {
    merged = merged + y * unsqueeze(exp(log_sum_exp - all.log_sum_exp), -1);
    sum = sum + exp(log_sum_exp);
  }
  CHECK(largest(merged - all.y) < 1e-12);
  CHECK(largest(log(sum) - all.log_sum_exp) < 1e-12);
}

TEST_CASE("gradients of scores near 1e4 keep their digits") {
  // a bias that all keys share changes nothing but the size of the scores
  const Tensors in = drawn({1, 1, 20, 30, 8}, float32);
  const auto gradients = [&](const Tensor& bias) {
    Tensors leaves;
    for (const Tensor& x : in) leaves.push_back(x.detach().requires_grad_());
    const Tensor y = attention(leaves[0] * 0, leaves[1], leaves[2], {.bias = bias});
    return grad(y, {leaves[1], leaves[2]}, in[3])[1];
  };
  CHECK(largest(gradients(full({20, 30}, 1e4)) - gradients(zeros({20, 30}))) < 1e-6);
}

TEST_CASE("the same bits at any number of threads") {
  const int threads = thread_count();
  for (const AttentionSizes& sizes : {AttentionSizes{1, 1, 700, 900, 32}, AttentionSizes{3, 2, 70, 70, 16}}) {
    Tensors first;
    for (const int count : {1, 2, 3}) {
      set_thread_count(count);
      Tensors leaves = drawn(sizes, float32);
      for (std::size_t i = 0; i < 3; ++i) leaves[i].requires_grad_();
      const Tensor y = attention(leaves[0], leaves[1], leaves[2]);
      Tensors results = grad(y, {leaves[0], leaves[1], leaves[2]}, leaves[3]);
      results.push_back(y.detach());
      if (first.empty()) first = results;
      for (std::size_t i = 0; i < results.size(); ++i) CHECK(largest(results[i] - first[i]) == 0);
    }
  }
  set_thread_count(threads);
}

TEST_CASE("memory doesn't grow with the square of the sequence") {
  const auto extra = [](std::int64_t n) {
    Tensors leaves = drawn({1, 2, n, n, 32}, float32);
    for (std::size_t i = 0; i < 3; ++i) leaves[i].requires_grad_();
    Allocator& memory = allocator(Device::cpu);
    memory.reset_peak();
    const std::int64_t before = memory.stats().live_bytes;
    grad(attention(leaves[0], leaves[1], leaves[2]), {leaves[0], leaves[1], leaves[2]}, leaves[3]);
    return static_cast<double>(memory.stats().peak_bytes - before);
  };
  CHECK(extra(4096) < 2.2 * extra(2048));
  CHECK(extra(4096) < 2 * 4096.0 * 4096 * sizeof(float) / 4);  // a quarter of one matrix of weights
}

TEST_CASE("wrong operands of attention are named") {
  const Tensor q = zeros({1, 2, 5, 4}), k = zeros({1, 2, 6, 4});
  CHECK_THROWS_WITH_AS(attention(q, k, k, {.key_mask = ones({1, 5}, boolean)}),
                       "attention: key_mask is bool[1, 5]; need bool[1, 6] on cpu", Error);
  CHECK_THROWS_WITH_AS(attention(q, k, k, {.bias = zeros({3, 6})}), doctest::Contains("[1, 2, 5, 6]"), Error);
  CHECK_THROWS_WITH_AS(attention(q, k, k, {.dropout = 1.5}),
                       "attention: dropout = 1.5 is not a probability; choose 0 to 1", Error);
  CHECK_THROWS_WITH_AS(attention(q, k, k, {.dropout = 0.5}), "attention: dropout = 0.5 needs a generator",
                       Error);
}

}  // namespace
}  // namespace tsr::test
