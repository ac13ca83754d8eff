#include "nn/layers.h"

#include <cmath>

#include "autograd/checkpoint.h"
#include "tensor/random.h"

namespace tsr {

Linear::Linear(const LinearOptions& options) : options(options) {
  TSR_CHECK(options.in > 0 && options.out > 0, "Linear: in = ", options.in, ", out = ", options.out,
            "; both must be positive");
  const double bound = 1 / std::sqrt(static_cast<double>(options.in));
  weight = Parameter(uniform({options.out, options.in}, init_generator(), -bound, bound));
  if (options.bias) bias = Parameter(uniform({options.out}, init_generator(), -bound, bound));
}

void Linear::visit(Visitor& v) {
  v.param("weight", weight, ParamKind::linear_weight);
  v.param("bias", bias, ParamKind::bias);
}

Conv2d::Conv2d(const Conv2dOptions& options) : options(options) {
  TSR_CHECK(options.in > 0 && options.out > 0 && options.kernel > 0 && options.stride > 0,
            "Conv2d: in = ", options.in, ", out = ", options.out, ", kernel = ", options.kernel,
            ", stride = ", options.stride, "; all must be positive");
  const double fan_out = static_cast<double>(options.out) * options.kernel * options.kernel;
  weight = Parameter(normal({options.out, options.kernel, options.kernel, options.in}, init_generator(), 0,
                            std::sqrt(2 / fan_out)));
  if (options.bias) bias = Parameter(zeros({options.out}));
}

Tensor Conv2d::operator()(const Tensor& x) const {
  return conv2d(x, weight, bias,
                {.stride_h = options.stride,
                 .stride_w = options.stride,
                 .pad_h = options.padding,
                 .pad_w = options.padding,
                 .dilation_h = options.dilation,
                 .dilation_w = options.dilation});
}

void Conv2d::visit(Visitor& v) {
  v.param("weight", weight, ParamKind::conv_weight);
  v.param("bias", bias, ParamKind::bias);
}

BatchNorm::BatchNorm(const BatchNormLayerOptions& options)
    : options(options),
      running_mean(zeros({options.channels})),
      running_var(ones({options.channels})),
      num_batches_tracked(zeros({}, int64)) {
  TSR_CHECK(options.channels > 0, "BatchNorm: channels = ", options.channels, "; must be positive");
  if (!options.affine) return;
  weight = Parameter(ones({options.channels}));
  bias = Parameter(zeros({options.channels}));
}

Tensor BatchNorm::operator()(const Tensor& x, bool relu, const Tensor& residual) {
  if (training() && !recomputing()) {
    ++*num_batches_tracked.data<std::int64_t>();
    num_batches_tracked.bump_version("batch_norm");
  }
  return batch_norm(
      x, weight, bias, running_mean, running_var,
      {.momentum = options.momentum, .epsilon = options.epsilon, .training = training(), .relu = relu},
      residual);
}

void BatchNorm::visit(Visitor& v) {
  v.param("weight", weight, ParamKind::norm_weight);
  v.param("bias", bias, ParamKind::bias);
  v.buffer("running_mean", running_mean);
  v.buffer("running_var", running_var);
  v.buffer("num_batches_tracked", num_batches_tracked);
}

}  // namespace tsr
