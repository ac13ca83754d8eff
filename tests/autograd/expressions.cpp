#include "tests/autograd/expressions.h"

#include "autograd/ops.h"

namespace tsr::test {
namespace {

using X = const Tensors&;
using P = const Parameters&;

Tensor normalised(X x, P p, bool training) {
  const Shape channels{x[0].size(-1)};
  return batch_norm(x[0], x[1], x[2], full(channels, 0.25, float64), full(channels, 1.5, float64),
                    {.momentum = 0, .training = training, .relu = p.flag("relu")});
}

Pool2dParams window(P p) {
  const auto kernel = static_cast<int>(p.integer("kernel")), stride = static_cast<int>(p.integer("stride")),
             pad = static_cast<int>(p.integer("pad"));
  return {.kernel_h = kernel,
          .kernel_w = kernel,
          .stride_h = stride,
          .stride_w = stride,
          .pad_h = pad,
          .pad_w = pad};
}

Tensor convolved(X x, P p) {
  const auto stride = static_cast<int>(p.integer("stride")), pad = static_cast<int>(p.integer("pad"));
  return conv2d(x[0], x[1], {}, {.stride_h = stride, .stride_w = stride, .pad_h = pad, .pad_w = pad});
}

}  // namespace

Tensor Parameters::to_indices(const nlohmann::json& list) {
  const auto values = list.get<std::vector<std::int64_t>>();
  return from_values(values, {static_cast<std::int64_t>(values.size())});
}

Tensor Parameters::indices(const char* name, const Shape& shape) const {
  return reshape(indices(name), shape);
}

// clang-format off
const std::map<std::string, ExpressionOp>& expression_ops() {
  static const std::map<std::string, ExpressionOp> ops{
      // pointwise
      {"add", [](X x, P) { return x[0] + x[1]; }},
      {"sub", [](X x, P) { return x[0] - x[1]; }},
      {"mul", [](X x, P) { return x[0] * x[1]; }},
      {"div", [](X x, P) { return x[0] / x[1]; }},
      {"maximum", [](X x, P) { return maximum(x[0], x[1]); }},
      {"minimum", [](X x, P) { return minimum(x[0], x[1]); }},
      {"neg", [](X x, P) { return -x[0]; }},
      {"exp", [](X x, P) { return exp(x[0]); }},
      {"log", [](X x, P) { return log(x[0]); }},
      {"sqrt", [](X x, P) { return sqrt(x[0]); }},
      {"abs", [](X x, P) { return abs(x[0]); }},
      {"sign", [](X x, P) { return sign(x[0]); }},
      {"relu", [](X x, P) { return relu(x[0]); }},
      {"sigmoid", [](X x, P) { return sigmoid(x[0]); }},
      {"tanh", [](X x, P) { return tanh(x[0]); }},
      {"scale", [](X x, P p) { return x[0] * p.number("factor"); }},
      {"shift", [](X x, P p) { return x[0] + p.number("by"); }},
      {"reciprocal", [](X x, P) { return 1.0 / x[0]; }},
      {"square_plus", [](X x, P p) { return x[0] * x[0] + p.number("by"); }},
      {"where_lt", [](X x, P) { return where(lt(x[0], x[1]), x[1], x[2]); }},
      {"where_le", [](X x, P) { return where(le(x[0], x[1]), x[0] * x[2], x[2]); }},
      {"masked_fill", [](X x, P p) { return masked_fill(x[0], lt(x[0], x[1]), p.number("value")); }},
      {"pow", [](X x, P) { return pow(abs(x[0]) + 0.5, x[1]); }},
      {"pow_scalar", [](X x, P p) { return pow(x[0], p.number("exponent")); }},
      {"cube", [](X x, P) { return pow(x[0], 3); }},
      {"rsqrt", [](X x, P) { return rsqrt(x[0]); }},
      {"erf", [](X x, P) { return erf(x[0]); }},
      {"expm1", [](X x, P) { return expm1(x[0]); }},
      {"log1p", [](X x, P) { return log1p(x[0]); }},
      {"log2", [](X x, P) { return log2(x[0]); }},
      {"sin", [](X x, P) { return sin(x[0]); }},
      {"cos", [](X x, P) { return cos(x[0]); }},
      {"asin", [](X x, P) { return asin(x[0]); }},
      {"atan", [](X x, P) { return atan(x[0]); }},
      {"atan2", [](X x, P) { return atan2(x[0], x[1]); }},
      {"sinh", [](X x, P) { return sinh(x[0]); }},
      {"cosh", [](X x, P) { return cosh(x[0]); }},
      {"clamp", [](X x, P p) { return clamp(x[0], p.number("low"), p.number("high")); }},
      {"gelu", [](X x, P) { return gelu(x[0]); }},
      {"gelu_tanh", [](X x, P) { return gelu(x[0], GeluForm::tanh); }},
      {"silu", [](X x, P) { return silu(x[0]); }},
      {"softplus", [](X x, P) { return softplus(x[0]); }},
      {"mish", [](X x, P) { return mish(x[0]); }},
      {"elu", [](X x, P p) { return elu(x[0], p.number("alpha")); }},
      {"leaky_relu", [](X x, P p) { return leaky_relu(x[0], p.number("slope")); }},
      // shape
      {"pad", [](X x, P p) { return pad(x[0], p.pairs("amounts"), PadMode::constant, p.number("value")); }},
      {"flip", [](X x, P p) { return flip(x[0], p.shape("axes")); }},
      {"roll", [](X x, P p) { return roll(x[0], {p.integer("at", 1)}, {p.integer("at", 0)}); }},
      {"tile", [](X x, P p) { return tile(x[0], p.shape("repeats")); }},
      {"tril", [](X x, P) { return tril(x[0]); }},
      {"last_chunk", [](X x, P) { return chunk(x[0], 2).back(); }},
      {"reshape", [](X x, P p) { return reshape(x[0], p.shape("shape")); }},
      {"transpose", [](X x, P p) { return transpose(x[0], p.integer("axis0"), p.integer("axis1")); }},
      {"permute", [](X x, P p) { return permute(x[0], p.shape("order")); }},
      {"broadcast_to", [](X x, P p) { return broadcast_to(x[0], p.shape("shape")); }},
      {"slice", [](X x, P p) { return slice(x[0], p.integer("at", 0), p.integer("at", 1), p.integer("at", 2), p.integer("at", 3)); }},
      {"select", [](X x, P p) { return select(x[0], p.integer("at", 0), p.integer("at", 1)); }},
      {"unsqueeze", [](X x, P p) { return unsqueeze(x[0], p.integer("axis")); }},
      {"squeeze", [](X x, P p) { return squeeze(x[0], p.integer("axis")); }},
      {"contiguous", [](X x, P) { return contiguous(x[0]); }},
      {"flatten_image", [](X x, P) { return flatten_image(x[0]); }},
      {"concat", [](X x, P p) { return concat(x, p.integer("axis")); }},
      {"concat3", [](X x, P) { return concat(x, 0); }},
      {"stack", [](X x, P p) { return stack(x, p.integer("axis")); }},
      // reductions
      {"sum", [](X x, P p) { return sum(x[0], p.shape("axes"), p.flag("keepdim")); }},
      {"mean", [](X x, P p) { return mean(x[0], p.shape("axes"), p.flag("keepdim")); }},
      {"max", [](X x, P p) { return max(x[0], p.shape("axes"), p.flag("keepdim")); }},
      {"norm", [](X x, P p) { return norm(x[0], p.shape("axes"), p.flag("keepdim")); }},
      {"var", [](X x, P p) { return var(x[0], p.shape("axes"), p.flag("keepdim")); }},
      {"min", [](X x, P p) { return min(x[0], p.shape("axes"), p.flag("keepdim")); }},
      {"prod", [](X x, P p) { return prod(x[0], {p.integer("axis")}); }},
      {"stddev", [](X x, P) { return stddev(x[0], {-1}); }},
      {"cumsum", [](X x, P p) { return cumsum(x[0], p.integer("axis")); }},
      // softmax family
      {"logsumexp_over", [](X x, P p) { return logsumexp(x[0], p.shape("axes"), p.flag("keepdim")); }},
      {"softmax", [](X x, P p) { return softmax(x[0], p.integer("axis")); }},
      {"log_softmax", [](X x, P p) { return log_softmax(x[0], p.integer("axis")); }},
      {"logsumexp", [](X x, P) { return logsumexp(x[0]); }},
      {"cross_entropy", [](X x, P p) { return cross_entropy(x[0], p.indices("labels")); }},
      {"l2_normalize", [](X x, P) { return l2_normalize(x[0]); }},
      // indexing
      {"index_select", [](X x, P p) { return index_select(x[0], p.integer("at", 0), p.indices("at", 1)); }},
      {"index_add", [](X x, P p) { return index_add(x[0], p.integer("at", 0), p.indices("at", 1), p.integer("at", 2)); }},
      {"gather", [](X x, P p) { return gather(x[0], p.integer("axis"), p.indices("index", p.shape("shape"))); }},
      {"scatter_add", [](X x, P p) { return scatter_add(x[0], p.integer("axis"), p.indices("index", p.shape("shape")), p.integer("count")); }},
      {"topk", [](X x, P) { return topk(x[0], 2).first; }},
      {"sort", [](X x, P p) { return sort(x[0], p.integer("axis"), p.flag("descending")).first; }},
      // losses and distances
      {"smooth_l1_loss", [](X x, P) { return smooth_l1_loss(x[0], x[1]); }},
      {"bce_with_logits", [](X x, P) { return binary_cross_entropy_with_logits(x[0], sigmoid(x[1])); }},
      {"cosine_similarity", [](X x, P) { return cosine_similarity(x[0], x[1], -1); }},
      // products, images, normalisation
      {"matmul", [](X x, P) { return matmul(x[0], x[1]); }},
      {"linear", [](X x, P) { return linear(x[0], x[1], x.size() > 2 ? x[2] : Tensor()); }},
      {"conv2d", convolved},
      {"max_pool2d", [](X x, P p) { return max_pool2d(x[0], window(p)); }},
      {"avg_pool2d", [](X x, P p) { return avg_pool2d(x[0], window(p)); }},
      {"global_avg_pool", [](X x, P) { return global_avg_pool(x[0]); }},
      {"resize", [](X x, P) { return resize(x[0], 3, 4); }},
      {"layer_norm", [](X x, P) { return layer_norm(x[0], {x[0].size(-1)}, x[1], x[2]); }},
      {"batch_norm", [](X x, P p) { return normalised(x, p, true); }},
      {"batch_norm_eval", [](X x, P p) { return normalised(x, p, false); }},
  };
  return ops;
}
// clang-format on

}  // namespace tsr::test
