#include "nn/layers.h"

#include <cmath>

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

namespace {

/// What both convolutions ask of their options; they differ in type alone.
template <class Options>
void check_convolution(const char* layer, const Options& o) {
  const Size2d &k = o.kernel, &s = o.stride, &p = o.padding, &d = o.dilation;
  TSR_CHECK(o.in > 0 && o.out > 0 && k.h > 0 && k.w > 0 && s.h > 0 && s.w > 0 && d.h > 0 && d.w > 0 &&
                p.h >= 0 && p.w >= 0,
            layer, ": in = ", o.in, ", out = ", o.out, ", kernel = ", k.h, "x", k.w, ", stride = ", s.h, "x",
            s.w, ", dilation = ", d.h, "x", d.w, ", padding = ", p.h, "x", p.w,
            "; all must be positive, padding at least 0");
  TSR_CHECK(o.groups > 0 && o.in % o.groups == 0 && o.out % o.groups == 0, layer, ": groups = ", o.groups,
            " must divide in = ", o.in, " and out = ", o.out);
}

/// W [rows, kernel_h, kernel_w, columns] with variance 2/(kernel_h·kernel_w·rows).
Parameter he_weight(std::int64_t rows, const Size2d& kernel, std::int64_t columns) {
  const double fan_out = static_cast<double>(rows) * kernel.h * kernel.w;
  return Parameter(normal({rows, kernel.h, kernel.w, columns}, init_generator(), 0, std::sqrt(2 / fan_out)));
}

}  // namespace

Conv2d::Conv2d(const Conv2dOptions& options) : options(options) {
  check_convolution("Conv2d", options);
  weight = he_weight(options.out, options.kernel, options.in / options.groups);
  if (options.bias) bias = Parameter(zeros({options.out}));
}

Tensor Conv2d::operator()(const Tensor& x) const {
  return conv2d(x, weight, bias,
                {.stride_h = options.stride.h,
                 .stride_w = options.stride.w,
                 .pad_h = options.padding.h,
                 .pad_w = options.padding.w,
                 .dilation_h = options.dilation.h,
                 .dilation_w = options.dilation.w,
                 .groups = static_cast<int>(options.groups)});
}

void Conv2d::visit(Visitor& v) {
  v.param("weight", weight, ParamKind::conv_weight);
  v.param("bias", bias, ParamKind::bias);
}

ConvTranspose2d::ConvTranspose2d(const ConvTranspose2dOptions& options) : options(options) {
  check_convolution("ConvTranspose2d", options);
  weight = he_weight(options.in, options.kernel, options.out / options.groups);
  if (options.bias) bias = Parameter(zeros({options.out}));
}

Tensor ConvTranspose2d::operator()(const Tensor& x) const {
  return conv_transpose2d(x, weight, bias,
                          {.stride_h = options.stride.h,
                           .stride_w = options.stride.w,
                           .pad_h = options.padding.h,
                           .pad_w = options.padding.w,
                           .dilation_h = options.dilation.h,
                           .dilation_w = options.dilation.w,
                           .groups = static_cast<int>(options.groups),
                           .output_pad_h = options.output_padding.h,
                           .output_pad_w = options.output_padding.w});
}

void ConvTranspose2d::visit(Visitor& v) {
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
  if (training()) {
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
