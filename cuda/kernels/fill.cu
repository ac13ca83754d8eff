// fill_fwd: y = value, over any strides.

#include "cuda/elements.h"
#include "cuda/numeric.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

template <class T>
__global__ void fill_kernel(std::int64_t count, T* y, StridedLoop<1> shape, T value) {
  const std::int64_t i = element_index();
  if (i < count) y[shape.offsets(i, shape.rank - 1)[0]] = value;
}

template <class T>
void fill(Context&, View y, double value) {
  const StridedLoop<1> shape({&y});
  launch_elements<fill_kernel<T>>(shape.count(), y.as<T>(), shape,
                                  static_cast<T>(static_cast<Compute<T>>(value)));
}

TSR_DEVICE_KERNEL(fill_fwd, fill, float, double, BFloat16, Float16, std::int64_t, std::int32_t, std::uint8_t,
                  bool);

}  // namespace
}  // namespace tsr::TSR_BACKEND
