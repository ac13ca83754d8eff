#include "apps/augmentations.h"

#include <algorithm>
#include <charconv>

#include "tensor/registry.h"

namespace tsr {
namespace {

constexpr std::int64_t kSmallImage = 64;

/// The number that was meant when the float was written: 0.08, not 0.0799999982.
double decimal(float value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  double result = 0;
  std::from_chars(buffer, end, result);
  return result;
}

float real(Settings& s, const std::string& key, float fallback, double low, double high) {
  return static_cast<float>(s.real(key, decimal(fallback), low, high));
}

float probability(Settings& s, const std::string& key, float fallback) {
  return real(s, key, fallback, 0, 1);
}

Registry<AugmentationInfo>& augmentations() {
  static Registry<AugmentationInfo> list("augmentation");
  return list;
}

const RegisterAugmentation simclr({.name = "simclr",
                                   .make = [](std::int64_t size, const Normalization& normalization,
                                              Settings& settings) -> AugmentationPtr {
                                     return std::make_shared<RandomAugmentation>(
                                         read_augmentation(size, normalization, settings));
                                   }});

}  // namespace

RegisterAugmentation::RegisterAugmentation(AugmentationInfo info) { augmentations().add(std::move(info)); }

std::vector<std::string> augmentation_names() { return augmentations().names(); }

AugmentationPtr make_augmentation(const std::string& fallback, std::int64_t size,
                                  const Normalization& normalization, Settings& settings) {
  const std::string name = settings.choice("augmentation", fallback);
  return augmentations().find(name).make(size, normalization, settings);
}

std::int64_t view_size(const Dataset& dataset, Settings& settings) {
  TSR_CHECK_INPUT(dataset.size() > 0, dataset.name(), ": has no samples");
  const Image first = dataset.image(0);
  const std::int64_t side = std::min(first.height, first.width);
  return settings.integer("image_size", side <= kSmallImage ? side : 224, 1, 4096);
}

AugmentationConfig read_augmentation(std::int64_t size, const Normalization& normalization,
                                     Settings& settings) {
  const bool small = size <= kSmallImage;
  AugmentationConfig config = small ? small_image_augmentation() : AugmentationConfig();
  config.size = static_cast<int>(size);
  config.normalization = normalization;
  config.min_area = real(settings, "crop_min", config.min_area, 1e-4, 1);
  config.max_area = real(settings, "crop_max", config.max_area, decimal(config.min_area), 1);
  config.flip = probability(settings, "flip", config.flip);
  config.jitter = probability(settings, "jitter", config.jitter);
  config.jitter_strength(real(settings, "jitter_strength", small ? 0.5f : 1, 0, 2.5));
  config.brightness = real(settings, "brightness", config.brightness, 0, 10);
  config.contrast = real(settings, "contrast", config.contrast, 0, 10);
  config.saturation = real(settings, "saturation", config.saturation, 0, 10);
  config.hue = real(settings, "hue", config.hue, 0, 0.5);
  config.grey = probability(settings, "grey", config.grey);
  config.blur = probability(settings, "blur", config.blur);
  config.min_sigma = real(settings, "blur_min", config.min_sigma, 0.01, 100);
  config.max_sigma = real(settings, "blur_max", config.max_sigma, decimal(config.min_sigma), 100);
  config.solarize = probability(settings, "solarize", config.solarize);
  return config;
}

}  // namespace tsr
