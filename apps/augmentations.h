#pragma once
// Augmentations by name: what the setting `augmentation` chooses from.

#include <string>
#include <string_view>
#include <vector>

#include "data/augment.h"
#include "ssl/settings.h"

namespace tsr {

/// An entry of the list of augmentations.
struct AugmentationInfo {
  std::string name;
  /// Makes views of size × size pixels; reads its own settings.
  AugmentationPtr (*make)(std::int64_t size, const Normalization& normalization,
                          Settings& settings) = nullptr;
};

/// `const RegisterAugmentation turns({.name = "turns", …});` at namespace scope enters an augmentation.
struct RegisterAugmentation {
  explicit RegisterAugmentation(AugmentationInfo info);
};

std::vector<std::string> augmentation_names();

/// The augmentation of a run. Settings read: augmentation (default: `fallback`, what the method names), and
/// what that one reads. Throws InputError naming the nearest for an unknown name.
AugmentationPtr make_augmentation(const std::string& fallback, std::int64_t size,
                                  const Normalization& normalization, Settings& settings);

/// The view's side in pixels. Setting read: image_size (default: the first image's shorter side up to 64
/// pixels, else 224).
std::int64_t view_size(const Dataset& dataset, Settings& settings);

/// "simclr", a RandomAugmentation. Settings read, with the defaults of SimCLR's paper (appendix A; for views
/// of at most 64 pixels those of appendix B.9 in brackets):
///   crop_min, crop_max        0.08, 1   share of the area that a crop takes
///   flip                      0.5       probability of a mirror image
///   jitter                    0.8       probability of changing colours
///   jitter_strength           1 (0.5)   sets the four that follow
///   brightness, contrast, saturation    0.8 (0.4) each
///   hue                       0.2 (0.1) of a full turn
///   grey                      0.2       probability of dropping colour
///   blur                      0.5 (0)   probability of a Gaussian blur
///   blur_min, blur_max        0.1, 2    its standard deviation in pixels
///   solarize                  0         probability of inverting bright pixels
AugmentationConfig read_augmentation(std::int64_t size, const Normalization& normalization,
                                     Settings& settings);

}  // namespace tsr
