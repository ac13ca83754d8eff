// Activations and their backward passes. Formulas in comments where the plain one would overflow or cancel.

#include "cuda/pointwise.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

__device__ inline float sigmoid(float x) {  // by exp(-|x|), which neither overflows nor cancels
  const float tail = expf(-fabsf(x));
  return (x < 0 ? tail : 1) / (1 + tail);
}
/// Φ(x) by the complementary error function, exact in both tails.
__device__ inline float normal_cdf(float x) { return 0.5f * erfcf(-x * 0.70710678f); }

/// Hendrycks & Gimpel 2016, the tanh form: 0.5·(1 + tanh(u)) = sigmoid(2u), u = √(2/π)·(x + 0.044715·x³).
constexpr float kTanhScale = 1.5957691216f, kTanhCubic = 0.044715f;
__device__ inline float gelu_tanh_gate(float x) { return sigmoid(kTanhScale * x * (1 + kTanhCubic * x * x)); }

TSR_DEVICE_UNARY(relu_fwd, return x < 0 ? T(0) : x;);  // NaN stays NaN
TSR_DEVICE_UNARY(sigmoid_fwd, return sigmoid(x););
TSR_DEVICE_UNARY(silu_fwd, return x * sigmoid(x););
TSR_DEVICE_UNARY(softplus_fwd, return is_nan(x) ? x : fmaxf(x, 0) + log1pf(expf(-fabsf(x))););
TSR_DEVICE_UNARY(gelu_fwd, return x * normal_cdf(x););
TSR_DEVICE_UNARY(gelu_tanh_fwd, return x * gelu_tanh_gate(x););

struct LeakyRelu {
  float slope;
  __device__ float operator()(float x) const { return x > 0 ? x : slope * x; }
};
struct Elu {
  float scale;
  __device__ float operator()(float x) const { return x > 0 ? x : scale * expm1f(x); }
};
TSR_DEVICE_KERNEL(leaky_relu_fwd, Pointwise1<LeakyRelu>::with_number, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(elu_fwd, Pointwise1<Elu>::with_number, float, BFloat16, Float16);

// a is the gradient of the output; b the output, or for gelu and silu the input.
TSR_DEVICE_BINARY(relu_bwd, return b > 0 ? a : T(0););
TSR_DEVICE_BINARY(sigmoid_bwd, return a * b * (1 - b););
TSR_DEVICE_BINARY(tanh_bwd, return a * (1 - b * b););
TSR_DEVICE_BINARY(silu_bwd, const T s = sigmoid(b); return a * s * (1 + b * (1 - s)););
TSR_DEVICE_BINARY(gelu_bwd, return a * (normal_cdf(b) + b * 0.39894228f * expf(-0.5f * b * b)););
TSR_DEVICE_BINARY(gelu_tanh_bwd, const T s = gelu_tanh_gate(b);
                  return a * s * (1 + b * kTanhScale * (1 + 3 * kTanhCubic * b * b) * (1 - s)););

}  // namespace
}  // namespace tsr::TSR_BACKEND
