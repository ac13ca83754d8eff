#pragma once
// ResNet-18, -34 and -50 (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016), with
// torchvision's names and its variant of the bottleneck (the stride is on the 3×3 convolution).

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "nn/encoder.h"
#include "nn/layers.h"

namespace tsr {

/// How the images enter. imagenet: 7×7 stride 2 and max-pool; cifar: 3×3 stride 1 (SimCLR, appendix B.9);
/// small: 3×3 stride 2, a quarter of cifar's cost.
enum class Stem { imagenet, cifar, small };
Stem stem_from_name(std::string_view name);

struct ResNetOptions {
  int depth = 18;           ///< 18, 34 or 50
  std::int64_t width = 64;  ///< channels of the first stage
  std::int64_t in = 3;      ///< image channels
  Stem stem = Stem::imagenet;
  bool zero_init = false;    ///< the last norm of every block starts at 0 (Goyal et al. 2017)
  std::int64_t classes = 0;  ///< 0: no classifier, the result is the pooled feature
};

/// Two 3×3 convolutions, or 1×1, 3×3, 1×1 (bottleneck), around a shortcut.
struct ResidualBlock : Module {
  std::optional<Conv2d> conv1, conv2, conv3, downsample_conv;
  std::optional<BatchNorm> bn1, bn2, bn3, downsample_bn;

  ResidualBlock(std::int64_t in, std::int64_t width, int stride, bool bottleneck);
  Tensor operator()(const Tensor& x);
  void visit(Visitor& v) override;
};

struct ResNet : Encoder {
  ResNetOptions options;
  Conv2d conv1;
  BatchNorm bn1;
  std::array<std::vector<ResidualBlock>, 4> stages;
  std::optional<Linear> fc;

  explicit ResNet(const ResNetOptions& options);
  /// Images [N, H, W, in] → features [N, feature_size()], or logits [N, classes].
  Tensor operator()(const Tensor& images) override;
  std::int64_t feature_size() const override;
  std::unique_ptr<Encoder> another() const override { return std::make_unique<ResNet>(options); }
  void visit(Visitor& v) override;
  std::string label() const override;
};

}  // namespace tsr
