#include "nn/dropout.h"

#include "tensor/random.h"

namespace tsr {
namespace {

DropoutOptions checked(const char* name, const DropoutOptions& options) {
  TSR_CHECK(options.p >= 0 && options.p < 1, name, ": p = ", options.p, "; choose 0 ≤ p < 1");
  return options;
}

}  // namespace

Dropout::Dropout(const DropoutOptions& options) : options(checked("Dropout", options)) {}

Tensor Dropout::operator()(const Tensor& x) const {
  return dropout(x, options.p, layer_generator(), training());
}

std::string Dropout::label() const { return text("Dropout(p = ", options.p, ")"); }

DropPath::DropPath(const DropoutOptions& options) : options(checked("DropPath", options)) {}

Tensor DropPath::operator()(const Tensor& x) const {
  if (draw && options.p > 0 && training()) return drop_path(x, options.p, draw(x.size(0), x.dtype()));
  return drop_path(x, options.p, layer_generator(), training());
}

std::string DropPath::label() const { return text("DropPath(p = ", options.p, ")"); }

}  // namespace tsr
