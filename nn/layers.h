#pragma once
// Linear, Conv2d, ConvTranspose2d and BatchNorm: parameters with their initialisation, computing through the
// ops.

#include "autograd/ops.h"
#include "nn/module.h"

namespace tsr {

struct LinearOptions {
  std::int64_t in = 0, out = 0;
  bool bias = true;
};

/// y = x·Wᵀ + b with W [out, in]. Both start uniform in ±1/√in, as PyTorch's.
struct Linear : Module {
  LinearOptions options;
  Parameter weight, bias;

  explicit Linear(const LinearOptions& options);
  Tensor operator()(const Tensor& x) const { return linear(x, weight, bias); }
  void visit(Visitor& v) override;
  std::string label() const override;
};

/// A number for each axis of an image: {height, width}, or one for both.
struct Size2d {
  int h, w;
  constexpr Size2d(int both) : h(both), w(both) {}
  constexpr Size2d(int h, int w) : h(h), w(w) {}
};

struct Conv2dOptions {
  std::int64_t in = 0, out = 0;
  Size2d kernel = 1, stride = 1, padding = 0, dilation = 1;
  std::int64_t groups = 1;  ///< both in and out are cut into so many groups that don't see each other
  bool bias = true;
};

/// Convolution of NHWC images with W [out, kernel_h, kernel_w, in/groups], which starts N(0,
/// 2/(kernel_h·kernel_w·out)) (He et al. 2015, fan-out, as torchvision's ResNet and MobileNet); the bias
/// starts at 0.
struct Conv2d : Module {
  Conv2dOptions options;
  Parameter weight, bias;

  explicit Conv2d(const Conv2dOptions& options);
  Tensor operator()(const Tensor& x) const;
  void visit(Visitor& v) override;
  std::string label() const override;
};

struct ConvTranspose2dOptions {
  std::int64_t in = 0, out = 0;
  Size2d kernel = 1, stride = 1, padding = 0, output_padding = 0, dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
};

/// Transposed convolution of NHWC images with W [in, kernel_h, kernel_w, out/groups]: conv_transpose2d's
/// layout, and PyTorch's [in, out/groups, kernel_h, kernel_w] permuted as every conv_weight is. W starts N(0,
/// 2/(kernel_h·kernel_w·in)), the rule of Conv2d for the convolution that this one transposes; the bias at 0.
struct ConvTranspose2d : Module {
  ConvTranspose2dOptions options;
  Parameter weight, bias;

  explicit ConvTranspose2d(const ConvTranspose2dOptions& options);
  Tensor operator()(const Tensor& x) const;
  void visit(Visitor& v) override;
  std::string label() const override;
};

struct BatchNormLayerOptions {
  std::int64_t channels = 0;
  double momentum = 0.1, epsilon = 1e-5;
  bool affine = true;  ///< learned scale and shift
};

/// Batch norm over all axes but the last. Buffers: running_mean, running_var, num_batches_tracked.
struct BatchNorm : Module {
  BatchNormLayerOptions options;
  Parameter weight, bias;
  Tensor running_mean, running_var, num_batches_tracked;

  explicit BatchNorm(const BatchNormLayerOptions& options);
  /// act(norm(x) + residual): relu and the residual are fused into one pass.
  Tensor operator()(const Tensor& x, bool relu = false, const Tensor& residual = {});
  void visit(Visitor& v) override;
  std::string label() const override;
};

}  // namespace tsr
