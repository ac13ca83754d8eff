// copy_fwd: y = x, broadcasting, over any strides, into another element type.

#include "cuda/elements.h"
#include "cuda/numeric.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

template <class From, class To>
__global__ void copy_kernel(std::int64_t count, const From* x, To* y, StridedLoop<2> shape) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const auto offset = shape.offsets(i, shape.rank - 1);
  y[offset[1]] = convert<To>(x[offset[0]]);
}

template <class From>
void copy(Context&, View x, View y) {
  const StridedLoop<2> shape({&x, &y});
  with_dtype(y.dtype, [&](auto type) {
    using To = decltype(type);
    launch_elements<copy_kernel<From, To>>(shape.count(), static_cast<const From*>(x.as<From>()), y.as<To>(),
                                           shape);
  });
}

TSR_DEVICE_KERNEL(copy_fwd, copy, float, double, BFloat16, Float16, std::int64_t, std::int32_t, std::uint8_t,
                  bool);

}  // namespace
}  // namespace tsr::TSR_BACKEND
