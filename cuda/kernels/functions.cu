// Functions of one number: the CUDA math library's, whose errors are a few ulp (CUDA C++ Programming
// Guide, 13.0, mathematical functions).

#include "cuda/pointwise.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

TSR_DEVICE_UNARY(exp_fwd, return exp(x););
TSR_DEVICE_UNARY(exp2_fwd, return exp2(x););
TSR_DEVICE_UNARY(expm1_fwd, return expm1(x););
TSR_DEVICE_UNARY(log_fwd, return log(x););
TSR_DEVICE_UNARY(log2_fwd, return log2(x););
TSR_DEVICE_UNARY(log10_fwd, return log10(x););
TSR_DEVICE_UNARY(log1p_fwd, return log1p(x););
TSR_DEVICE_UNARY(sqrt_fwd, return sqrt(x););
TSR_DEVICE_UNARY(rsqrt_fwd, return 1 / sqrt(x););
TSR_DEVICE_UNARY(erf_fwd, return erf(x););
TSR_DEVICE_UNARY(erfc_fwd, return erfc(x););
TSR_DEVICE_UNARY(sin_fwd, return sin(x););
TSR_DEVICE_UNARY(cos_fwd, return cos(x););
TSR_DEVICE_UNARY(tan_fwd, return tan(x););
TSR_DEVICE_UNARY(asin_fwd, return asin(x););
TSR_DEVICE_UNARY(acos_fwd, return acos(x););
TSR_DEVICE_UNARY(atan_fwd, return atan(x););
TSR_DEVICE_UNARY(sinh_fwd, return sinh(x););
TSR_DEVICE_UNARY(cosh_fwd, return cosh(x););
TSR_DEVICE_UNARY(tanh_fwd, return tanh(x););
TSR_DEVICE_UNARY(floor_fwd, return floor(x););
TSR_DEVICE_UNARY(ceil_fwd, return ceil(x););
TSR_DEVICE_UNARY(trunc_fwd, return trunc(x););
TSR_DEVICE_UNARY(round_fwd, return rint(x););

}  // namespace
}  // namespace tsr::TSR_BACKEND
