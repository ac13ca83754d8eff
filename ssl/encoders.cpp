#include "ssl/encoders.h"

#include "nn/resnet.h"
#include "nn/vit.h"
#include "tensor/registry.h"

namespace tsr {
namespace {

Registry<EncoderInfo>& encoders() {
  static Registry<EncoderInfo> list("arch");
  return list;
}

template <int depth>
std::unique_ptr<Encoder> make_resnet(std::int64_t channels, std::int64_t image_size, Settings& settings) {
  const std::string stem =
      settings.choice("stem", image_size <= 64 ? "cifar" : "imagenet", {"imagenet", "cifar", "small"});
  return std::make_unique<ResNet>(ResNetOptions{.depth = depth,
                                                .width = settings.integer("width", 64, 1, 4096),
                                                .in = channels,
                                                .stem = stem_from_name(stem),
                                                .zero_init = settings.flag("zero_init", false)});
}

const RegisterEncoder resnet18({.name = "resnet18", .make = make_resnet<18>}),
    resnet34({.name = "resnet34", .make = make_resnet<34>}),
    resnet50({.name = "resnet50", .make = make_resnet<50>});

struct ViTSize {
  int patch, dim, depth, heads;
};

template <ViTSize size>
std::unique_ptr<Encoder> make_vit(std::int64_t channels, std::int64_t image_size, Settings& s) {
  const ViTOptions options{
      .image_size = image_size,
      .patch = static_cast<int>(s.integer("patch", size.patch, 1, 256)),
      .in = channels,
      .dim = s.integer("dim", size.dim, 1, 8192),
      .depth = s.integer("depth", size.depth, 1, 128),
      .heads = s.integer("heads", size.heads, 1, 128),
      .stem = patch_stem_from_name(s.choice("stem", "patch", {"patch", "frozen", "conv"})),
      .init = vit_init_from_name(s.choice("init", "timm", {"timm", "mocov3"})),
      .positions = positions_from_name(s.choice("positions", "learned", {"learned", "sincos"})),
      .prefix_positions = s.flag("prefix_positions", true),
      .registers = s.integer("registers", 0, 0, 256),
      .layer_scale = s.real("layer_scale", 0, 0, 1),
      .drop_path = s.real("drop_path", 0, 0, 0.99),
      .pool = token_pool_from_name(s.choice("pool", "token", {"token", "avg"})),
      .grad_checkpointing = s.flag("grad_checkpointing", false)};
  try {
    return std::make_unique<ViT>(options);
  } catch (const Error& error) {
    throw InputError(error.what());  // the options are the settings
  }
}

const RegisterEncoder vit_mini({.name = "vit_mini", .make = make_vit<ViTSize{4, 128, 6, 4}>}),
    vit_tiny({.name = "vit_tiny", .make = make_vit<ViTSize{16, 192, 12, 3}>}),
    vit_small({.name = "vit_small", .make = make_vit<ViTSize{16, 384, 12, 6}>}),
    vit_base({.name = "vit_base", .make = make_vit<ViTSize{16, 768, 12, 12}>});

}  // namespace

RegisterEncoder::RegisterEncoder(EncoderInfo info) { encoders().add(std::move(info)); }

std::vector<std::string> encoder_names() { return encoders().names(); }

std::unique_ptr<Encoder> make_encoder(const std::string& arch, std::int64_t channels, std::int64_t image_size,
                                      Settings& settings) {
  return encoders().find(arch).make(channels, image_size, settings);
}

}  // namespace tsr
