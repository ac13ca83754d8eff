// Scaled dot-product attention, fused: the matrix of weights never exists.
#include <cmath>

#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kAttention("attention", true, CastPolicy::low);

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
Tensor rows(const Tensor& x) { return x.strides()[3] == 1 || x.size(3) == 1 ? x : contiguous(x); }

/// Room for a tensor [N, heads, n, head_dim] whose heads lie side by side in memory, [N, n, heads, head_dim]:
/// what comes before attention and what follows it sees them so.
Tensor side_by_side(const Tensor& like) {
  const Shape& s = like.shape();
  const Tensor room({s[0], s[2], s[1], s[3]}, like.dtype(), like.device());
  return room.as_strided(s, {s[2] * s[1] * s[3], s[3], s[1] * s[3], 1}, 0);
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

/// q, k, v with dense rows; bias [N, heads, n, m] or undefined.
Fused fused(const Tensor& given_q, const Tensor& given_k, const Tensor& given_v, const Tensor& given_bias,
            const Tensor& mask, const AttentionParams& params) {
  Op op = given_bias.defined() ? Op(kAttention, {given_q, given_k, given_v, given_bias})
                               : Op(kAttention, {given_q, given_k, given_v});
  const Tensor &q = op[0], &k = op[1], &v = op[2], bias = given_bias.defined() ? op[3] : Tensor();
  const Shape queries{q.size(0), q.size(1), q.size(2)};
  const DType wide = compute_dtype(q.dtype());
  Fused result{side_by_side(q), op.empty(queries, wide), op.empty(queries, wide)};
  const auto& [y, top, log_sum] = result;
  attention_fwd(op, q.view(), k.view(), v.view(), view_of(bias), view_of(mask), y.view(), top.view(),
                log_sum.view(), params);
  const auto save = [&](const Tensor& x) { return x.defined() ? op.save(x) : Saved(); };
  op.record(y, [params, q = op.save(q), k = op.save(k), v = op.save(v), bias = save(bias), mask = save(mask),
                y = op.save(y), top = op.save(top), log_sum = op.save(log_sum), masked = mask.defined(),
                biased = bias.defined()](const Tensor& given, const Needs& needs) {
    const Tensor grad = rows(given), queries = q.get(), keys = k.get(),
                 added = biased ? bias.get() : Tensor();
    Tensors grads{side_by_side(queries), side_by_side(keys), side_by_side(keys)};
    if (biased) grads.push_back(needs[3] ? Tensor(added.shape(), added.dtype(), added.device()) : Tensor());
    Context context(grad.device());
    attention_bwd(context, grad.view(), queries.view(), keys.view(), v.get().view(), view_of(added),
                  view_of(masked ? mask.get() : Tensor()), y.get().view(), top.get().view(),
                  log_sum.get().view(), grads[0].view(), grads[1].view(), grads[2].view(),
                  biased ? view_of(grads[3]) : View{}, params);
    return grads;
  });
  return result;
}

Fused checked(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  check_operands(q, k, v);
  check_options(q, k, options);
  Tensor bias = options.bias;
  if (bias.defined()) bias = broadcast_to(bias, {q.size(0), q.size(1), q.size(2), k.size(2)});
  return fused(rows(q), rows(k), rows(v), bias, options.key_mask, make_params(q, options));
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  return checked(q, k, v, options).y;
}

AttentionResult attention_with_log_sum_exp(const Tensor& q, const Tensor& k, const Tensor& v,
                                           const AttentionOptions& options) {
  const Fused result = checked(q, k, v, options);
  NoGrad guard;
  return {result.y, result.top + result.log_sum};
}

}  // namespace tsr
