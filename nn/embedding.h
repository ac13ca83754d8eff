#pragma once
// Embedding: a table of learned vectors.

#include <optional>

#include "nn/module.h"

namespace tsr {

struct EmbeddingOptions {
  std::int64_t count = 0;  ///< rows: indices are 0 … count-1
  std::int64_t dim = 0;
  std::optional<std::int64_t> padding_index = {};  ///< this row gets no gradient
};

/// Indices int64 [...] → rows of weight [count, dim]: [..., dim]. The weight starts N(0, 1), as PyTorch's.
struct Embedding : Module {
  EmbeddingOptions options;
  Parameter weight;

  explicit Embedding(const EmbeddingOptions& options);
  Tensor operator()(const Tensor& indices) const;
  void visit(Visitor& v) override;
  std::string label() const override;
};

}  // namespace tsr
