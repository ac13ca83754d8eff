// The steps of the optimisers and of the moving average of weights: each element is read once and written
// once.

#include "cuda/elements.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

__global__ void sgd_kernel(std::int64_t count, float* param, const float* grad, float* buffer, SgdParams p) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const float g = static_cast<float>(p.scale) * (grad[i] + static_cast<float>(p.weight_decay) * param[i]);
  float step = g;
  if (buffer != nullptr) {
    const float momentum = static_cast<float>(p.momentum);
    buffer[i] = momentum * buffer[i] + g;
    step = p.nesterov ? g + momentum * buffer[i] : buffer[i];
  }
  param[i] -= static_cast<float>(p.learning_rate) * step;
}

__global__ void adam_kernel(std::int64_t count, float* param, const float* grad, float* exp_avg,
                            float* exp_avg_sq, AdamParams p) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const float g = grad[i] + static_cast<float>(p.weight_decay) * param[i];
  const float m = exp_avg[i] + static_cast<float>(1 - p.beta1) * (g - exp_avg[i]);
  const float v = static_cast<float>(p.beta2) * exp_avg_sq[i] + static_cast<float>(1 - p.beta2) * g * g;
  exp_avg[i] = m;
  exp_avg_sq[i] = v;
  const float divisor = sqrtf(v) / static_cast<float>(p.root) + static_cast<float>(p.epsilon);
  param[i] = static_cast<float>(p.keep) * param[i] - static_cast<float>(p.rate) * (m / divisor);
}

__global__ void ema_kernel(std::int64_t count, float* target, const float* source, float momentum,
                           float rest) {
  const std::int64_t i = element_index();
  if (i < count) target[i] = momentum * target[i] + rest * source[i];
}

void sgd(Context&, View param, View grad, View buffer, const SgdParams& p) {
  launch_elements<sgd_kernel>(param.numel(), param.as<float>(), grad.as<float>(),
                              static_cast<float*>(buffer.data), p);
}
void adam(Context&, View param, View grad, View exp_avg, View exp_avg_sq, const AdamParams& p) {
  launch_elements<adam_kernel>(param.numel(), param.as<float>(), grad.as<float>(), exp_avg.as<float>(),
                               exp_avg_sq.as<float>(), p);
}
void ema(Context&, View target, View source, double momentum) {
  launch_elements<ema_kernel>(target.numel(), target.as<float>(), source.as<float>(),
                              static_cast<float>(momentum), static_cast<float>(1 - momentum));
}

const bool registered = [] {
  sgd_step.add(Device::TSR_BACKEND, float32, &sgd);
  adam_step.add(Device::TSR_BACKEND, float32, &adam);
  ema_step.add(Device::TSR_BACKEND, float32, &ema);
  return true;
}();

}  // namespace
}  // namespace tsr::TSR_BACKEND
