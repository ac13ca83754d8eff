// Recipes by name: layers of configuration.
#include <map>

#include "apps/run_config.h"
#include "tensor/suggest.h"

namespace tsr {
namespace {

/// cifar: SimCLR on 32-pixel images (Chen et al. 2020, appendix B.9: batch 512, temperature 0.5, 1000
/// epochs, learning rate 1.0). imagenet: their main setting (section 2: batch 4096, 100 epochs, temperature
/// 0.1). quick: a narrow network with a stride-2 stem, for minutes on a CPU. dino-quick, mocov3-quick: a
/// small ViT with few tokens on 28-pixel images, likewise; their heads are small and their averages short, as
/// such a run is.
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
        {"batch_size", 128},
        {"settings",
         {{"width", 32},
          {"stem", "small"},
          {"temperature", 0.15},
          {"crop_min", 0.15},
          {"flip", 0},
          {"jitter_strength", 0.875},
          {"optimizer", "sgd"},
          {"learning_rate", 0.08}}}}},
      {"dino-quick",
       {{"method", "dino"},
        {"arch", "vit_mini"},
        {"epochs", 2},
        {"batch_size", 64},
        {"settings",
         {{"patch", 7},
          {"depth", 4},
          {"drop_path", 0},
          {"local_crops", 4},
          {"local_size", 14},
          {"crop_min", 0.3},
          {"local_crop_min", 0.1},
          {"flip", 0},
          {"out_dim", 1024},
          {"projector_hidden", 256},
          {"bottleneck", 64},
          {"teacher_temperature", 0.04},
          {"ema_momentum", 0.99},
          {"freeze_last_layer", 0},
          {"learning_rate", 0.001}}}}},
      {"mocov3-quick",
       {{"method", "mocov3"},
        {"arch", "vit_mini"},
        {"epochs", 2},
        {"batch_size", 128},
        {"settings",
         {{"patch", 7},
          {"depth", 4},
          {"crop_min", 0.15},
          {"flip", 0},
          {"projector_hidden", 512},
          {"projector_out", 128},
          {"learning_rate", 0.001}}}}}};
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
