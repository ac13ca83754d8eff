// Recipes by name: layers of configuration.
#include <map>

#include "apps/run_config.h"
#include "tensor/suggest.h"

namespace tsr {
namespace {

/// cifar: SimCLR on 32-pixel images (Chen et al. 2020, appendix B.9: batch 512, temperature 0.5, 1000
/// epochs, learning rate 1.0). imagenet: their main setting (section 2: batch 4096, 100 epochs, temperature
/// 0.1). quick: a narrow network with a stride-2 stem, for minutes on a CPU.
const std::map<std::string, nlohmann::json>& presets() {
  static const std::map<std::string, nlohmann::json> table{
      {"cifar",
       {{"arch", "resnet18"},
        {"epochs", 1000},
        {"batch_size", 512},
        {"settings", {{"stem", "cifar"}, {"temperature", 0.5}, {"learning_rate", 1.0}}}}},
      {"imagenet",
       {{"arch", "resnet50"},
        {"epochs", 100},
        {"batch_size", 4096},
        {"settings", {{"stem", "imagenet"}, {"temperature", 0.1}, {"learning_rate", 4.8}}}}},
      {"quick",
       {{"arch", "resnet18"},
        {"epochs", 10},
        {"settings",
         {{"width", 32},
          {"stem", "small"},
          {"temperature", 0.15},
          {"crop_min", 0.15},
          {"flip", 0},
          {"jitter_strength", 0.875},
          {"optimizer", "sgd"},
          {"learning_rate", 0.16}}}}}};
  return table;
}

}  // namespace

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const auto& [name, layer] : presets()) names.push_back(name);
  return names;
}

const nlohmann::json& find_preset(const std::string& name) {
  const auto found = presets().find(name);
  if (found == presets().end())
    throw InputError(text("--preset: '", name, "' is unknown; ", did_you_mean(name, preset_names())));
  return found->second;
}

}  // namespace tsr
