#include "ssl/method.h"

#include "nn/resnet.h"
#include "tensor/suggest.h"

namespace tsr {
namespace {

std::vector<MethodInfo>& methods() {
  static std::vector<MethodInfo> list;
  return list;
}

}  // namespace

RegisterMethod::RegisterMethod(MethodInfo info) { methods().push_back(std::move(info)); }

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const MethodInfo& info : methods()) names.push_back(info.name);
  return names;
}

const MethodInfo& find_method(std::string_view name) {
  for (const MethodInfo& info : methods())
    if (info.name == name) return info;
  throw InputError(text("method '", name, "': unknown; ", did_you_mean(name, method_names())));
}

std::unique_ptr<Encoder> make_encoder(const std::string& arch, std::int64_t channels, std::int64_t image_size,
                                      Settings& settings) {
  const std::vector<std::string> known{"resnet18", "resnet34", "resnet50"};
  for (const std::string& name : known) {
    if (name != arch) continue;
    const std::string stem =
        settings.choice("stem", image_size <= 64 ? "cifar" : "imagenet", {"imagenet", "cifar", "small"});
    return std::make_unique<ResNet>(ResNetOptions{.depth = std::stoi(arch.substr(6)),
                                                  .width = settings.integer("width", 64, 1, 4096),
                                                  .in = channels,
                                                  .stem = stem_from_name(stem)});
  }
  throw InputError(text("arch '", arch, "': unknown; ", did_you_mean(arch, known)));
}

}  // namespace tsr
