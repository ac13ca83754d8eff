// Dropout of elements and of samples.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kDropout("dropout");

void check_probability(const char* op, double p) {
  TSR_CHECK(p >= 0 && p <= 1, op, ": p = ", p, " is not a probability; choose 0 to 1");
}

/// Linear in x: the gradient meets the same mask, drawn again.
Tensor drop(const Tensor& given, std::uint64_t seed, std::uint64_t draw, double p) {
  const Tensor x = contiguous(given);
  Op op(kDropout, {x});
  const Tensor y = op.empty(x.shape());
  dropout_fwd(op, x.view(), y.view(), seed, draw, p);
  return op.record(y, [=](const Tensor& grad, const Needs&) { return Tensors{drop(grad, seed, draw, p)}; });
}

/// [N, 1, …, 1] for x [N, ...].
Shape shape_of_samples(const Tensor& x) {
  TSR_CHECK(x.rank() >= 1, "drop_path: ", describe(x), " has no axis of samples");
  Shape samples = x.shape();
  for (int axis = 1; axis < samples.rank(); ++axis) samples[axis] = 1;
  return samples;
}

}  // namespace

Tensor dropout(const Tensor& x, double p, Generator& generator, bool training) {
  check_probability("dropout", p);
  if (!training || p == 0) return x;
  const std::uint64_t seed = generator.seed(), draw = generator.next_draw();
  return drop(x, seed, draw, p);
}

Tensor drop_path(const Tensor& x, double p, Generator& generator, bool training) {
  check_probability("drop_path", p);
  const Shape samples = shape_of_samples(x);
  if (!training || p == 0) return x;
  return x * dropout(ones(samples, x.dtype(), x.device()), p, generator);
}

Tensor drop_path(const Tensor& x, double p, const Tensor& numbers) {
  TSR_CHECK(p >= 0 && p < 1, "drop_path: p = ", p, "; choose 0 ≤ p < 1");
  const Tensor kept = ge(numbers, p).to(x.dtype());
  return x * reshape(kept / (1 - p), shape_of_samples(x));
}

}  // namespace tsr
