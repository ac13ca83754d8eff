// Scaled dot-product attention, fused: the matrix of weights never exists.
#include <cmath>

#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kAttention("attention", true, CastPolicy::low),
    kAttentionQkv("attention_qkv", true, CastPolicy::low);

void check_operands(const Tensor& q, const Tensor& k, const Tensor& v) {
  TSR_CHECK(q.rank() == 4 && k.rank() == 4 && q.size(0) == k.size(0) && q.size(1) == k.size(1) &&
                q.size(3) == k.size(3),
            "attention: q ", describe(q), ", k ", describe(k),
            "; need [N, heads, n, head_dim] and [N, heads, m, head_dim]");
  TSR_CHECK(v.shape() == k.shape(), "attention: k ", describe(k), " and v ", describe(v), " differ in shape");
}

void check_options(const Tensor& q, const Tensor& k, const AttentionOptions& options) {
  const Shape keys{q.size(0), k.size(2)};
  const Tensor& mask = options.key_mask;
  TSR_CHECK(
      !mask.defined() || (mask.dtype() == boolean && mask.shape() == keys && mask.device() == q.device()),
      "attention: key_mask is ", describe(mask), "; need bool", keys, " on ", q.device());
  TSR_CHECK(options.dropout >= 0 && options.dropout <= 1, "attention: dropout = ", options.dropout,
            " is not a probability; choose 0 to 1");
  TSR_CHECK(options.dropout == 0 || options.generator, "attention: dropout = ", options.dropout,
            " needs a generator");
}

/// x with a dense last axis.
Tensor rows(const Tensor& x) { return x.strides()[x.rank() - 1] == 1 || x.size(-1) == 1 ? x : contiguous(x); }

/// Room for a tensor [N, heads, n, head_dim] whose heads lie side by side in memory, [N, n, heads, head_dim]:
/// what comes before attention and what follows it sees them so.
Tensor side_by_side(const Tensor& like) {
  const Shape& s = like.shape();
  const Tensor room({s[0], s[2], s[1], s[3]}, like.dtype(), like.device());
  return room.as_strided(s, {s[2] * s[1] * s[3], s[3], s[1] * s[3], 1}, 0);
}

/// q [N, heads, n, head_dim], k and v [N, heads, m, head_dim], or their gradients.
struct Heads {
  Tensor q, k, v;
};
/// The three that were given, or the parts of the one [N, n, 3, heads, head_dim] that holds them.
Heads heads_of(const Tensors& given) {
  if (given.size() == 3) return {given[0], given[1], given[2]};
  const Tensor& x = given[0];
  const Shape &s = x.shape(), &step = x.strides();
  const auto part = [&](std::int64_t i) {
    return x.as_strided({s[0], s[3], s[1], s[4]}, {step[0], step[3], step[1], step[4]},
                        x.offset() + i * step[2]);
  };
  return {part(0), part(1), part(2)};
}
/// As their operands lie: a gradient that lay otherwise would be copied on its way to a leaf.
Tensors rooms_for_gradients(const Tensors& given) {
  Tensors result;
  for (const Tensor& x : given)
    result.push_back(x.is_contiguous() ? Tensor(x.shape(), x.dtype(), x.device()) : side_by_side(x));
  return result;
}

View view_of(const Tensor& x) { return x.defined() ? x.view() : View{}; }

AttentionParams make_params(const Tensor& q, const AttentionOptions& options) {
  AttentionParams params{.scale = options.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3)))),
                         .causal = options.causal,
                         .dropout = options.dropout};
  if (params.dropout > 0) {
    params.seed = options.generator->seed();
    params.draw = options.generator->next_draw();
  }
  return params;
}

/// What a query's scores come to: their largest, and the logarithm of the sum of exponentials relative to it.
struct Fused {
  Tensor y, top, log_sum;
};

Op begin(const Tensors& given, const Tensor& bias) {
  if (given.size() == 1)
    return bias.defined() ? Op(kAttentionQkv, {given[0], bias}) : Op(kAttentionQkv, {given[0]});
  return bias.defined() ? Op(kAttention, {given[0], given[1], given[2], bias})
                        : Op(kAttention, {given[0], given[1], given[2]});
}

/// `given` is what heads_of takes, with dense rows; bias [N, heads, n, m] or undefined.
Fused fused(const Tensors& given, const Tensor& given_bias, const Tensor& mask,
            const AttentionParams& params) {
  Op op = begin(given, given_bias);
  Tensors inputs;
  for (std::size_t i = 0; i < given.size(); ++i) inputs.push_back(op[i]);
  const Tensor bias = given_bias.defined() ? op[given.size()] : Tensor();
  const auto [q, k, v] = heads_of(inputs);
  const Shape queries{q.size(0), q.size(1), q.size(2)};
  const DType wide = compute_dtype(q.dtype());
  Fused result{side_by_side(q), op.empty(queries, wide), op.empty(queries, wide)};
  const auto& [y, top, log_sum] = result;
  attention_fwd(op, q.view(), k.view(), v.view(), view_of(bias), view_of(mask), y.view(), top.view(),
                log_sum.view(), params);
  const auto save = [&](const Tensor& x) { return x.defined() ? op.save(x) : Saved(); };
  std::vector<Saved> saved;
  for (const Tensor& x : inputs) saved.push_back(op.save(x));
  op.record(y, [params, saved, bias = save(bias), mask = save(mask), y = op.save(y), top = op.save(top),
                log_sum = op.save(log_sum), masked = mask.defined(),
                biased = bias.defined()](const Tensor& upstream, const Needs& needs) {
    Tensors inputs;
    for (const Saved& x : saved) inputs.push_back(x.get());
    const Tensor grad = rows(upstream), added = biased ? bias.get() : Tensor();
    const auto [q, k, v] = heads_of(inputs);
    Tensors grads = rooms_for_gradients(inputs);
    const auto [grad_q, grad_k, grad_v] = heads_of(grads);
    if (biased)
      grads.push_back(needs[inputs.size()] ? Tensor(added.shape(), added.dtype(), added.device()) : Tensor());
    Context context(grad.device());
    attention_bwd(context, grad.view(), q.view(), k.view(), v.view(), view_of(added),
                  view_of(masked ? mask.get() : Tensor()), y.get().view(), top.get().view(),
                  log_sum.get().view(), grad_q.view(), grad_k.view(), grad_v.view(),
                  biased ? view_of(grads.back()) : View{}, params);
    return grads;
  });
  return result;
}

Fused checked(const Tensors& given, const AttentionOptions& options) {
  const auto [q, k, v] = heads_of(given);
  check_operands(q, k, v);
  check_options(q, k, options);
  Tensor bias = options.bias;
  if (bias.defined()) bias = broadcast_to(bias, {q.size(0), q.size(1), q.size(2), k.size(2)});
  Tensors dense;
  for (const Tensor& x : given) dense.push_back(rows(x));
  return fused(dense, bias, options.key_mask, make_params(q, options));
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  return checked({q, k, v}, options).y;
}

Tensor attention_qkv(const Tensor& qkv, const AttentionOptions& options) {
  TSR_CHECK(qkv.rank() == 5 && qkv.size(2) == 3, "attention_qkv: qkv ", describe(qkv),
            "; need [N, n, 3, heads, head_dim]");
  return checked({qkv}, options).y;
}

AttentionResult attention_with_log_sum_exp(const Tensor& q, const Tensor& k, const Tensor& v,
                                           const AttentionOptions& options) {
  const Fused result = checked({q, k, v}, options);
  NoGrad guard;
  return {result.y, result.top + result.log_sum};
}

}  // namespace tsr
