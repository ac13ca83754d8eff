#include "nn/layers.h"

#include <cmath>

#include "autograd/checkpoint.h"
#include "nn/init.h"
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

std::string Linear::label() const {
  return text("Linear(in = ", options.in, ", out = ", options.out, options.bias ? ")" : ", bias = false)");
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

/// What both convolutions hand to their ops.
template <class Params, class Options>
Params params_of(const Options& o) {
  return {.stride_h = o.stride.h,
          .stride_w = o.stride.w,
          .pad_h = o.padding.h,
          .pad_w = o.padding.w,
          .dilation_h = o.dilation.h,
          .dilation_w = o.dilation.w,
          .groups = static_cast<int>(o.groups)};
}

/// "3", or "{3, 1}" where the axes differ.
std::string shown(const Size2d& size) {
  return size.h == size.w ? std::to_string(size.h) : text("{", size.h, ", ", size.w, "}");
}

/// What both convolutions show of their options: whatever isn't the default.
template <class Options>
std::string convolution_label(const char* layer, const Options& o) {
  const auto differs = [](const Size2d& size, int usual) { return size.h != usual || size.w != usual; };
  std::string result = text(layer, "(in = ", o.in, ", out = ", o.out, ", kernel = ", shown(o.kernel));
  if (differs(o.stride, 1)) result += ", stride = " + shown(o.stride);
  if (differs(o.padding, 0)) result += ", padding = " + shown(o.padding);
  if (differs(o.dilation, 1)) result += ", dilation = " + shown(o.dilation);
  if (o.groups != 1) result += text(", groups = ", o.groups);
  return result + (o.bias ? ")" : ", bias = false)");
}

}  // namespace

Conv2d::Conv2d(const Conv2dOptions& options) : options(options) {
  check_convolution("Conv2d", options);
  weight = Parameter(empty({options.out, options.kernel.h, options.kernel.w, options.in / options.groups}));
  init::kaiming_normal(weight, init::Fan::out);
  if (options.bias) bias = Parameter(zeros({options.out}));
}

Tensor Conv2d::operator()(const Tensor& x) const {
  return conv2d(x, weight, bias, params_of<Conv2dParams>(options));
}

void Conv2d::visit(Visitor& v) {
  v.param("weight", weight, ParamKind::conv_weight);
  v.param("bias", bias, ParamKind::bias);
}

std::string Conv2d::label() const { return convolution_label("Conv2d", options); }

ConvTranspose2d::ConvTranspose2d(const ConvTranspose2dOptions& options) : options(options) {
  check_convolution("ConvTranspose2d", options);
  weight = Parameter(empty({options.in, options.kernel.h, options.kernel.w, options.out / options.groups}));
  init::kaiming_normal(weight, init::Fan::out);
  if (options.bias) bias = Parameter(zeros({options.out}));
}

Tensor ConvTranspose2d::operator()(const Tensor& x) const {
  auto params = params_of<ConvTranspose2dParams>(options);
  params.output_pad_h = options.output_padding.h;
  params.output_pad_w = options.output_padding.w;
  return conv_transpose2d(x, weight, bias, params);
}

void ConvTranspose2d::visit(Visitor& v) {
  v.param("weight", weight, ParamKind::conv_weight);
  v.param("bias", bias, ParamKind::bias);
}

std::string ConvTranspose2d::label() const {
  std::string result = convolution_label("ConvTranspose2d", options);
  if (options.output_padding.h == 0 && options.output_padding.w == 0) return result;
  result.pop_back();
  return result + ", output_padding = " + shown(options.output_padding) + ")";
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
    const NoGrad guard;
    copy_into(num_batches_tracked, num_batches_tracked + 1);
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

std::string BatchNorm::label() const {
  return text("BatchNorm(channels = ", options.channels, options.affine ? ")" : ", affine = false)");
}

}  // namespace tsr
