#include "nn/resnet.h"

#include "nn/init.h"

namespace tsr {
namespace {

/// The children of "downsample" carry torchvision's Sequential indices.
struct Downsample final : Module {
  Conv2d& conv;
  BatchNorm& bn;
  Downsample(Conv2d& conv, BatchNorm& bn) : conv(conv), bn(bn) {}
  void visit(Visitor& v) override {
    v.child("0", conv);
    v.child("1", bn);
  }
};

bool is_bottleneck(int depth) { return depth >= 50; }

std::array<int, 4> blocks_of(int depth) {
  switch (depth) {
    case 18:
      return {2, 2, 2, 2};
    case 34:
    case 50:
      return {3, 4, 6, 3};
    default:
      throw Error(text("ResNet: depth ", depth, " is not known; choose 18, 34 or 50"));
  }
}

Conv2dOptions stem_of(const ResNetOptions& o) {
  if (o.stem == Stem::imagenet)
    return {.in = o.in, .out = o.width, .kernel = 7, .stride = 2, .padding = 3, .bias = false};
  return {.in = o.in,
          .out = o.width,
          .kernel = 3,
          .stride = o.stem == Stem::small ? 2 : 1,
          .padding = 1,
          .bias = false};
}

}  // namespace

Stem stem_from_name(std::string_view name) {
  if (name == "imagenet") return Stem::imagenet;
  if (name == "cifar") return Stem::cifar;
  if (name == "small") return Stem::small;
  throw InputError(text("stem: unknown name '", name, "'; known: imagenet cifar small"));
}

ResidualBlock::ResidualBlock(std::int64_t in, std::int64_t width, int stride, bool bottleneck) {
  const std::int64_t out = bottleneck ? 4 * width : width;
  if (bottleneck) {
    conv1.emplace(Conv2dOptions{.in = in, .out = width, .bias = false});
    conv2.emplace(
        Conv2dOptions{.in = width, .out = width, .kernel = 3, .stride = stride, .padding = 1, .bias = false});
    conv3.emplace(Conv2dOptions{.in = width, .out = out, .bias = false});
    bn3.emplace(BatchNormLayerOptions{.channels = out});
  } else {
    conv1.emplace(
        Conv2dOptions{.in = in, .out = width, .kernel = 3, .stride = stride, .padding = 1, .bias = false});
    conv2.emplace(Conv2dOptions{.in = width, .out = width, .kernel = 3, .padding = 1, .bias = false});
  }
  bn1.emplace(BatchNormLayerOptions{.channels = width});
  bn2.emplace(BatchNormLayerOptions{.channels = width});
  if (stride != 1 || in != out) {
    downsample_conv.emplace(Conv2dOptions{.in = in, .out = out, .stride = stride, .bias = false});
    downsample_bn.emplace(BatchNormLayerOptions{.channels = out});
  }
}

Tensor ResidualBlock::operator()(const Tensor& x) {
  const Tensor shortcut = downsample_conv ? (*downsample_bn)((*downsample_conv)(x)) : x;
  Tensor y = (*bn1)((*conv1)(x), true);
  if (!conv3) return (*bn2)((*conv2)(y), true, shortcut);
  y = (*bn2)((*conv2)(y), true);
  return (*bn3)((*conv3)(y), true, shortcut);
}

void ResidualBlock::visit(Visitor& v) {
  v.child("conv1", *conv1);
  v.child("bn1", *bn1);
  v.child("conv2", *conv2);
  v.child("bn2", *bn2);
  if (conv3) {
    v.child("conv3", *conv3);
    v.child("bn3", *bn3);
  }
  if (downsample_conv) {
    Downsample downsample(*downsample_conv, *downsample_bn);
    v.child("downsample", downsample);
  }
}

ResNet::ResNet(const ResNetOptions& options)
    : options(options), conv1(stem_of(options)), bn1({.channels = options.width}) {
  const auto blocks = blocks_of(options.depth);
  std::int64_t in = options.width;
  for (int stage = 0; stage < 4; ++stage) {
    const std::int64_t width = options.width << stage;
    for (int block = 0; block < blocks[stage]; ++block) {
      const int stride = stage > 0 && block == 0 ? 2 : 1;
      ResidualBlock& made = stages[stage].emplace_back(in, width, stride, is_bottleneck(options.depth));
      if (options.zero_init) init::zeros((made.bn3 ? *made.bn3 : *made.bn2).weight);
      in = is_bottleneck(options.depth) ? 4 * width : width;
    }
  }
  if (options.classes > 0) fc.emplace(LinearOptions{.in = in, .out = options.classes});
}

std::int64_t ResNet::feature_size() const {
  return (options.width << 3) * (is_bottleneck(options.depth) ? 4 : 1);
}

Tensor ResNet::operator()(const Tensor& images) {
  TSR_CHECK(images.rank() == 4 && images.size(3) == options.in, "ResNet: images ", describe(images),
            " are not [N, H, W, ", options.in, "]");
  Tensor x = bn1(conv1(images), true);
  if (options.stem == Stem::imagenet)
    x = max_pool2d(x, {.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1});
  for (auto& stage : stages)
    for (ResidualBlock& block : stage) x = block(x);
  x = global_avg_pool(x);
  return fc ? (*fc)(x) : x;
}

void ResNet::visit(Visitor& v) {
  v.child("conv1", conv1);
  v.child("bn1", bn1);
  for (int stage = 0; stage < 4; ++stage) v.children("layer" + std::to_string(stage + 1), stages[stage]);
  if (fc) v.child("fc", *fc);
}

std::string ResNet::label() const {
  return text("ResNet(depth = ", options.depth, ", width = ", options.width, ")");
}

}  // namespace tsr
