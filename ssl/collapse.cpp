#include "ssl/collapse.h"

#include <cmath>
#include <vector>

#include "autograd/ops.h"

namespace tsr {
namespace {

/// Eigenvalues of a symmetric matrix (row-major, n × n) by cyclic Jacobi rotations (Golub & Van Loan, §8.5).
std::vector<double> symmetric_eigenvalues(std::vector<double> a, std::int64_t n) {
  const auto at = [&](std::int64_t i, std::int64_t j) -> double& { return a[i * n + j]; };
  for (int sweep = 0; sweep < 30; ++sweep) {
    double off = 0, total = 0;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        total += at(i, j) * at(i, j);
        if (i != j) off += at(i, j) * at(i, j);
      }
    if (off <= 1e-12 * total) break;  // the spectrum feeds an entropy: six digits are plenty
    for (std::int64_t p = 0; p < n; ++p)
      for (std::int64_t q = p + 1; q < n; ++q) {
        if (std::abs(at(p, q)) < 1e-300) continue;
        const double theta = (at(q, q) - at(p, p)) / (2 * at(p, q));
        const double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (std::int64_t k = 0; k < n; ++k) {
          const double x = at(k, p), y = at(k, q);
          at(k, p) = c * x - s * y;
          at(k, q) = s * x + c * y;
        }
        for (std::int64_t k = 0; k < n; ++k) {
          const double x = at(p, k), y = at(q, k);
          at(p, k) = c * x - s * y;
          at(q, k) = s * x + c * y;
        }
      }
  }
  std::vector<double> values(n);
  for (std::int64_t i = 0; i < n; ++i) values[i] = at(i, i);
  return values;
}

}  // namespace

CollapseMeter measure_collapse(const Tensor& embeddings) {
  NoGrad guard;
  TSR_CHECK(embeddings.rank() == 2 && embeddings.size(0) >= 2, "measure_collapse: ", describe(embeddings),
            " is not [N, D] with N ≥ 2");
  const Tensor z = l2_normalize(embeddings.detach().to(Device::cpu).to(float64));
  const Tensor centred = z - mean(z, {0}, true);
  const std::int64_t dims = z.size(1);
  CollapseMeter meter;
  meter.std = mean(sqrt(var(z, {0}))).item();
  meter.uniform_std = 1 / std::sqrt(static_cast<double>(dims));
  // The smaller Gram matrix has the same non-zero spectrum.
  const bool wide = dims > z.size(0);
  const Tensor gram = wide ? matmul(centred, transpose(centred)) : matmul(transpose(centred), centred);
  const std::int64_t n = gram.size(0);
  const double* values = gram.data<double>();
  double total = 0, entropy = 0;
  std::vector<double> singular;
  for (double value : symmetric_eigenvalues(std::vector<double>(values, values + n * n), n)) {
    singular.push_back(std::sqrt(std::max(value, 0.0)));
    total += singular.back();
  }
  for (double value : singular)
    if (value > 0 && total > 0) entropy -= value / total * std::log(value / total);
  meter.effective_rank = total > 0 ? std::exp(entropy) : 0;
  return meter;
}

}  // namespace tsr
