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

/// By their papers' crops: DINO's global views take at least 0.4 of an image's area.
const RegisterAugmentation dino({.name = "dino",
                                 .make_views =
                                     [](const ViewPlan&plan, std::int64_t size,
                                        const Normalization&normalization, Settings&settings) {
                                       return make_byol_views(plan, size, 0.4f, normalization, settings);
                                     }}),
    mocov3({.name = "mocov3",
            .make_views = [](const ViewPlan&plan, std::int64_t size, const Normalization&normalization,
                             Settings&settings) {
              return make_byol_views(plan, size, 0.08f, normalization, settings);
            }});

/// What all views of a run share, with the config's values as defaults.
void read_shared(AugmentationConfig& config, Settings& settings) {
  config.min_area = real(settings, "crop_min", config.min_area, 1e-4, 1);
  config.max_area = real(settings, "crop_max", config.max_area, decimal(config.min_area), 1);
  config.flip = probability(settings, "flip", config.flip);
  config.jitter = probability(settings, "jitter", config.jitter);
  config.brightness = real(settings, "brightness", config.brightness, 0, 10);
  config.contrast = real(settings, "contrast", config.contrast, 0, 10);
  config.saturation = real(settings, "saturation", config.saturation, 0, 10);
  config.hue = real(settings, "hue", config.hue, 0, 0.5);
  config.grey = probability(settings, "grey", config.grey);
  config.min_sigma = real(settings, "blur_min", config.min_sigma, 0.01, 100);
  config.max_sigma = real(settings, "blur_max", config.max_sigma, decimal(config.min_sigma), 100);
}

}  // namespace

RegisterAugmentation::RegisterAugmentation(AugmentationInfo info) { augmentations().add(std::move(info)); }

std::vector<std::string> augmentation_names() { return augmentations().names(); }

std::vector<AugmentationPtr> make_augmentations(const std::string& fallback, const ViewPlan& plan,
                                                std::int64_t size, const Normalization& normalization,
                                                Settings& settings) {
  const AugmentationInfo& info = augmentations().find(settings.choice("augmentation", fallback));
  if (info.make_views != nullptr) return info.make_views(plan, size, normalization, settings);
  std::vector<AugmentationPtr> views(plan.global, info.make(size, normalization, settings));
  if (plan.local > 0)
    views.insert(views.end(), plan.local,
                 info.make(local_view_size(size, settings), normalization, settings));
  return views;
}

std::int64_t local_view_size(std::int64_t size, Settings& settings) {
  const std::int64_t usual = std::max<std::int64_t>(size * 3 / 28 * 4, 1);
  const std::int64_t local = settings.integer("local_size", usual, 1, 4096);
  TSR_CHECK_INPUT(local <= size, "setting local_size=", local, ": local views are no larger than the global ",
                  size, " pixels; see image_size");
  return local;
}

std::vector<AugmentationPtr> make_byol_views(const ViewPlan& plan, std::int64_t size, float min_area,
                                             const Normalization& normalization, Settings& settings) {
  AugmentationConfig shared;
  shared.size = static_cast<int>(size);
  shared.normalization = normalization;
  shared.min_area = min_area;
  shared.brightness = shared.contrast = 0.4f;
  shared.saturation = 0.2f;
  shared.hue = 0.1f;
  read_shared(shared, settings);
  const bool small = size <= kSmallImage;
  std::vector<AugmentationPtr> views;
  for (int i = 0; i < plan.global; ++i) {
    AugmentationConfig view = shared;
    const std::string number = std::to_string(i + 1);
    view.blur = probability(settings, "blur" + number, small ? 0 : i == 0 ? 1 : 0.1f);
    view.solarize = probability(settings, "solarize" + number, i == 0 ? 0 : 0.2f);
    views.push_back(std::make_shared<RandomAugmentation>(view));
  }
  if (plan.local == 0) return views;
  AugmentationConfig local = shared;
  local.size = static_cast<int>(local_view_size(size, settings));
  local.min_area = real(settings, "local_crop_min", 0.05f, 1e-4, 1);
  local.max_area = real(settings, "local_crop_max", 0.4f, decimal(local.min_area), 1);
  local.blur = probability(settings, "local_blur", small ? 0 : 0.5f);
  local.solarize = probability(settings, "local_solarize", 0);
  views.insert(views.end(), plan.local, std::make_shared<RandomAugmentation>(local));
  return views;
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
  config.jitter_strength(real(settings, "jitter_strength", small ? 0.5f : 1, 0, 2.5));
  read_shared(config, settings);
  config.blur = probability(settings, "blur", config.blur);
  config.solarize = probability(settings, "solarize", config.solarize);
  return config;
}

}  // namespace tsr
