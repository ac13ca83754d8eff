// Comparisons, logic, and the choice between two operands.

#include "cuda/pointwise.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

struct Equal {
  template <class T>
  __device__ bool operator()(T a, T b) const {
    return a == b;
  }
};
struct Less {
  template <class T>
  __device__ bool operator()(T a, T b) const {
    return a < b;
  }
};
struct LessEqual {
  template <class T>
  __device__ bool operator()(T a, T b) const {
    return a <= b;
  }
};
TSR_DEVICE_KERNEL(eq_fwd, Pointwise2<Equal>::compare, float, BFloat16, Float16, std::int64_t, std::int32_t,
                  std::uint8_t, bool);
TSR_DEVICE_KERNEL(lt_fwd, Pointwise2<Less>::compare, float, BFloat16, Float16, std::int64_t, std::int32_t,
                  std::uint8_t);
TSR_DEVICE_KERNEL(le_fwd, Pointwise2<LessEqual>::compare, float, BFloat16, Float16, std::int64_t,
                  std::int32_t, std::uint8_t);

struct And {
  __device__ bool operator()(bool a, bool b) const { return a && b; }
};
struct Or {
  __device__ bool operator()(bool a, bool b) const { return a || b; }
};
struct Xor {
  __device__ bool operator()(bool a, bool b) const { return a != b; }
};
struct Not {
  __device__ bool operator()(bool x) const { return !x; }
};
TSR_DEVICE_KERNEL(logical_and_fwd, Pointwise2<And>::run, bool);
TSR_DEVICE_KERNEL(logical_or_fwd, Pointwise2<Or>::run, bool);
TSR_DEVICE_KERNEL(logical_xor_fwd, Pointwise2<Xor>::run, bool);
TSR_DEVICE_KERNEL(logical_not_fwd, Pointwise1<Not>::run, bool);

struct Where {
  template <class T>
  __device__ T operator()(T a, T b, bool condition) const {
    return condition ? a : b;
  }
};
template <class T>
void where(Context&, View a, View b, View condition, View y) {
  pointwise<T, T, T, bool>(Where{}, y, a, b, condition);
}
TSR_DEVICE_KERNEL(where_fwd, where, float, BFloat16, Float16, std::int64_t, std::int32_t, std::uint8_t, bool);

}  // namespace
}  // namespace tsr::TSR_BACKEND
