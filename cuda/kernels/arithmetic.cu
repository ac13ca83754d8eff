// Arithmetic of one and two numbers, of integers as well: these wrap around, as two's complement does.

#include <type_traits>

#include "cuda/pointwise.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

/// What arithmetic wraps around in: unsigned for integers, T itself for the others.
template <class T, bool = std::is_integral_v<T>>
struct Wrapping {
  using type = T;
};
template <class T>
struct Wrapping<T, true> {
  using type = std::make_unsigned_t<T>;
};
template <class T>
using W = typename Wrapping<T>::type;

TSR_DEVICE_UNARY(neg_fwd, return static_cast<T>(-W<T>(x)););
TSR_DEVICE_UNARY(
    abs_fwd, if constexpr (std::is_integral_v<T>) { return x < 0 ? static_cast<T>(-W<T>(x)) : x; } else {
      return fabs(x);
    });
TSR_DEVICE_UNARY(sign_fwd, return static_cast<T>((x > T(0)) - (x < T(0))););
TSR_DEVICE_UNARY(square_fwd, return x * x;);
TSR_DEVICE_UNARY(reciprocal_fwd, return 1 / x;);
TSR_DEVICE_KERNEL(neg_fwd, Pointwise1<neg_fwd_of>::run, std::int64_t, std::int32_t);
TSR_DEVICE_KERNEL(abs_fwd, Pointwise1<abs_fwd_of>::run, std::int64_t, std::int32_t);
TSR_DEVICE_KERNEL(sign_fwd, Pointwise1<sign_fwd_of>::run, std::int64_t, std::int32_t);

TSR_DEVICE_BINARY(add_fwd, return static_cast<T>(W<T>(a) + W<T>(b)););
TSR_DEVICE_BINARY(sub_fwd, return static_cast<T>(W<T>(a) - W<T>(b)););
TSR_DEVICE_BINARY(mul_fwd, return static_cast<T>(W<T>(a) * W<T>(b)););
TSR_DEVICE_BINARY(div_fwd, return a / b;);
// a NaN wins
TSR_DEVICE_BINARY(maximum_fwd, return a > b || is_nan(a) ? a : b;);
TSR_DEVICE_BINARY(minimum_fwd, return a < b || is_nan(a) ? a : b;);
TSR_DEVICE_BINARY(pow_fwd, return pow(a, b););
TSR_DEVICE_BINARY(atan2_fwd, return atan2(a, b););
TSR_DEVICE_BINARY(fmod_fwd, return fmod(a, b););
TSR_DEVICE_BINARY(remainder_fwd, const T rest = fmod(a, b);
                  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;);
TSR_DEVICE_KERNEL(add_fwd, Pointwise2<add_fwd_of>::run, std::int64_t, std::int32_t);
TSR_DEVICE_KERNEL(sub_fwd, Pointwise2<sub_fwd_of>::run, std::int64_t, std::int32_t);
TSR_DEVICE_KERNEL(mul_fwd, Pointwise2<mul_fwd_of>::run, std::int64_t, std::int32_t);
TSR_DEVICE_KERNEL(maximum_fwd, Pointwise2<maximum_fwd_of>::run, std::int64_t, std::int32_t);
TSR_DEVICE_KERNEL(minimum_fwd, Pointwise2<minimum_fwd_of>::run, std::int64_t, std::int32_t);

struct PowScalar {
  float exponent;
  __device__ float operator()(float x) const {
    // The exponents that occur everywhere cost what they should.
    if (exponent == 2) return x * x;
    if (exponent == 3) return x * x * x;
    if (exponent == -1) return 1 / x;
    return pow(x, exponent);
  }
};
TSR_DEVICE_KERNEL(pow_scalar_fwd, Pointwise1<PowScalar>::with_number, float, BFloat16, Float16);

struct Clamp {  // NaN stays
  float low, high;
  __device__ float operator()(float x) const { return x < low ? low : x > high ? high : x; }
};
template <class T>
void clamp(Context&, View x, View y, double low, double high) {
  pointwise<T, T>(Clamp{static_cast<float>(low), static_cast<float>(high)}, y, x);
}
TSR_DEVICE_KERNEL(clamp_fwd, clamp, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
