#include "ssl/info_nce.h"

#include <limits>

#include "tensor/group.h"

namespace tsr {
namespace {

/// Row i's own column among the candidates: an [rows, candidates] mask.
Tensor own_column(std::int64_t rows, std::int64_t candidates, std::int64_t first) {
  Tensor mask = zeros({rows, candidates}, boolean);
  for (std::int64_t i = 0; i < rows; ++i) mask.data<bool>()[i * candidates + first + i] = true;
  return mask;
}

/// The columns first … first+rows-1, one for each row.
Tensor columns_from(std::int64_t first, std::int64_t rows) {
  Tensor labels({rows}, int64, Device::cpu);
  for (std::int64_t i = 0; i < rows; ++i) labels.data<std::int64_t>()[i] = first + i;
  return labels;
}

/// The column of each row's other view.
Tensor partner_column(std::int64_t rows, std::int64_t first) {
  Tensor labels({rows}, int64, Device::cpu);
  for (std::int64_t i = 0; i < rows; ++i) labels.data<std::int64_t>()[i] = first + (i + rows / 2) % rows;
  return labels;
}

}  // namespace

Tensor nt_xent(const Tensor& z, const NtXentOptions& options) {
  TSR_CHECK(z.rank() == 2 && z.size(0) % 2 == 0 && z.size(0) >= 4, "nt_xent: embeddings ", describe(z),
            " are not [2N, D] with N ≥ 2: two views of at least two samples");
  TSR_CHECK(options.temperature > 0, "nt_xent: temperature ", options.temperature, " must be positive");
  const std::int64_t rows = z.size(0), first = Group::current().rank() * rows;
  const Tensor candidates = all_gather(z);
  Tensor logits = matmul(z, transpose(candidates)) / options.temperature;
  if (options.self_mask)
    logits = masked_fill(logits, own_column(rows, candidates.size(0), first),
                         -std::numeric_limits<double>::infinity());
  return cross_entropy(logits, partner_column(rows, first));
}

Tensor info_nce(const Tensor& queries, const Tensor& keys, double temperature) {
  TSR_CHECK(queries.rank() == 2 && queries.shape() == keys.shape(), "info_nce: queries ", describe(queries),
            " and keys ", describe(keys), " are not [N, D] each");
  TSR_CHECK(temperature > 0, "info_nce: temperature ", temperature, " must be positive");
  const std::int64_t rows = queries.size(0), first = Group::current().rank() * rows;
  const Tensor logits = matmul(queries, transpose(all_gather(keys))) / temperature;
  return cross_entropy(logits, columns_from(first, rows));
}

}  // namespace tsr
