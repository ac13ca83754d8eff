#include "nn/activations.h"

namespace tsr {

Tensor Flatten::operator()(const Tensor& x) const {
  TSR_CHECK(x.rank() >= 1, "Flatten: ", describe(x), " has no axis of samples");
  if (x.rank() == 4) return flatten_image(x);
  Shape rest = x.shape();
  rest.erase(0);
  return reshape(x, {x.size(0), rest.numel()});
}

}  // namespace tsr
