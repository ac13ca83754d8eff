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
  TSR_CHECK(indices.dtype() == int64, "Embedding: indices ", describe(indices), " must be int64");
  Shape shape = indices.shape();
  shape.push_back(options.dim);
  return reshape(index_select(weight, 0, contiguous(reshape(indices, {indices.numel()}))), shape);
}

void Embedding::visit(Visitor& v) { v.param("weight", weight, ParamKind::embedding_weight); }

std::string Embedding::label() const {
  return text("Embedding(count = ", options.count, ", dim = ", options.dim, ")");
}

}  // namespace tsr
