#include "nn/embedding.h"

#include "autograd/ops.h"
#include "tensor/random.h"

namespace tsr {

Embedding::Embedding(const EmbeddingOptions& options) : options(options) {
  TSR_CHECK(options.count > 0 && options.dim > 0, "Embedding: count = ", options.count,
            ", dim = ", options.dim, "; both must be positive");
  weight = Parameter(normal({options.count, options.dim}, init_generator()));
}

Tensor Embedding::operator()(const Tensor& indices) const {
  return embedding(weight, indices, options.padding_index);
}

void Embedding::visit(Visitor& v) { v.param("weight", weight, ParamKind::embedding_weight); }

std::string Embedding::label() const {
  return text("Embedding(count = ", options.count, ", dim = ", options.dim, ")");
}

}  // namespace tsr
