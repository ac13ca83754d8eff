#pragma once

#include "tensor/random.h"

namespace tsr::test {

/// The same numbers from N(0, 1) at every call.
inline Tensor draw(const Shape& shape, DType dtype = float32) {
  Generator generator(7);
  return normal(shape, generator, 0, 1, dtype);
}

}  // namespace tsr::test
