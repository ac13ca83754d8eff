#include "nn/dropout.h"

#include "tensor/random.h"

namespace tsr {
namespace {

DropoutOptions checked(const char* name, const DropoutOptions& options) {
  TSR_CHECK(options.p >= 0 && options.p < 1, name, ": p = ", options.p, "; choose 0 ≤ p < 1");
  return options;
}

/// x times a random factor of `shape`, 0 or 1/(1 - p).
Tensor drop(const Tensor& x, const Shape& shape, double p) {
  const Tensor draw = uniform(shape, layer_generator(), 0, 1, x.dtype(), x.device());
  return x * (cast(le(scalar(p, x.dtype(), x.device()), draw), x.dtype()) / (1 - p));
}

}  // namespace

Dropout::Dropout(const DropoutOptions& options) : options(checked("Dropout", options)) {}

Tensor Dropout::operator()(const Tensor& x) const {
  return training() && options.p > 0 ? drop(x, x.shape(), options.p) : x;
}

std::string Dropout::label() const { return text("Dropout(p = ", options.p, ")"); }

DropPath::DropPath(const DropoutOptions& options) : options(checked("DropPath", options)) {}

Tensor DropPath::operator()(const Tensor& x) const {
  TSR_CHECK(x.rank() >= 1, "DropPath: ", describe(x), " has no axis of samples");
  if (!training() || options.p == 0) return x;
  Shape shape = x.shape();
  for (int axis = 1; axis < shape.rank(); ++axis) shape[axis] = 1;
  return drop(x, shape, options.p);
}

std::string DropPath::label() const { return text("DropPath(p = ", options.p, ")"); }

}  // namespace tsr
