#include "ssl/encoders.h"

#include "nn/resnet.h"
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
                                                .stem = stem_from_name(stem)});
}

const RegisterEncoder resnet18({.name = "resnet18", .make = make_resnet<18>}),
    resnet34({.name = "resnet34", .make = make_resnet<34>}),
    resnet50({.name = "resnet50", .make = make_resnet<50>});

}  // namespace

RegisterEncoder::RegisterEncoder(EncoderInfo info) { encoders().add(std::move(info)); }

std::vector<std::string> encoder_names() { return encoders().names(); }

std::unique_ptr<Encoder> make_encoder(const std::string& arch, std::int64_t channels, std::int64_t image_size,
                                      Settings& settings) {
  return encoders().find(arch).make(channels, image_size, settings);
}

}  // namespace tsr
