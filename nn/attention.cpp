#include "nn/attention.h"

#include <cmath>

namespace tsr {
namespace {

MultiHeadAttentionOptions checked(const MultiHeadAttentionOptions& o) {
  TSR_CHECK(o.dim > 0 && o.heads > 0 && o.dim % o.heads == 0, "MultiHeadAttention: dim = ", o.dim,
            ", heads = ", o.heads, "; both must be positive, and heads must divide dim");
  return o;
}

}  // namespace

Tensor attention_weights(const Tensor& q, const Tensor& k) {
  // The scale meets the smaller of the two: q has head_dim numbers a token, the product n.
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
  return softmax(matmul(q * scale, transpose(k)));
}

MultiHeadAttention::MultiHeadAttention(const MultiHeadAttentionOptions& options)
    : options(checked(options)),
      qkv({.in = options.dim, .out = 3 * options.dim, .bias = options.qkv_bias}),
      proj({.in = options.dim, .out = options.dim}) {}

Tensor MultiHeadAttention::project(const Tensor& x) const {
  TSR_CHECK(x.rank() == 3 && x.size(2) == options.dim, "MultiHeadAttention: x ", describe(x),
            " is not [N, n, ", options.dim, "]");
  return reshape(qkv(x), {x.size(0), x.size(1), 3, options.heads, options.dim / options.heads});
}

Tensor MultiHeadAttention::operator()(const Tensor& x) const {
  const Tensor y = attention_qkv(project(x));
  return proj(reshape(permute(y, {0, 2, 1, 3}), x.shape()));
}

Tensor MultiHeadAttention::weights(const Tensor& x) const {
  const Tensors heads = unbind(permute(project(x), {2, 0, 3, 1, 4}));
  return attention_weights(heads[0], heads[1]);
}

void MultiHeadAttention::visit(Visitor& v) {
  v.child("qkv", qkv);
  v.child("proj", proj);
}

std::string MultiHeadAttention::label() const {
  return text("MultiHeadAttention(dim = ", options.dim, ", heads = ", options.heads,
              options.qkv_bias ? ")" : ", qkv_bias = false)");
}

}  // namespace tsr
