#pragma once
// Augmentations by name: what the setting `augmentation` chooses from.

#include <string>
#include <string_view>
#include <vector>

#include "data/augment.h"
#include "ssl/method.h"

namespace tsr {

/// An entry of the list of augmentations.
struct AugmentationInfo {
  std::string name;
  /// Makes views of size × size pixels; reads its own settings.
  AugmentationPtr (*make)(std::int64_t size, const Normalization& normalization,
                          Settings& settings) = nullptr;
  /// Instead, where views differ by more than their size: all that the plan asks for, global ones of
  /// size × size pixels first.
  std::vector<AugmentationPtr> (*make_views)(const ViewPlan& plan, std::int64_t size,
                                             const Normalization& normalization,
                                             Settings& settings) = nullptr;
};

/// `const RegisterAugmentation turns({.name = "turns", …});` at namespace scope enters an augmentation.
struct RegisterAugmentation {
  explicit RegisterAugmentation(AugmentationInfo info);
};

std::vector<std::string> augmentation_names();

/// What makes each view of a run, in the views' order. Settings read: augmentation (default: `fallback`, what
/// the method names), what that one reads, and local_size where there are local views. Throws InputError
/// naming the nearest for an unknown name.
std::vector<AugmentationPtr> make_augmentations(const std::string& fallback, const ViewPlan& plan,
                                                std::int64_t size, const Normalization& normalization,
                                                Settings& settings);
/// The side of local views in pixels. Setting read: local_size (default: 3/7 of `size`, that of global ones,
/// rounded down to a multiple of 4: 96 of 224). Throws InputError for more than `size`.
std::int64_t local_view_size(std::int64_t size, Settings& settings);

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

/// "dino" and "mocov3": BYOL's augmentation (Grill et al., NeurIPS 2020, appendix B), in which the two global
/// views differ by blur and solarisation. Settings read as by "simclr" but for jitter_strength, blur and
/// solarize; `min_area` is crop_min's default, and brightness, contrast, saturation and hue are 0.4, 0.4,
/// 0.2, 0.1. Besides (for views of at most 64 pixels, where nothing is blurred, in brackets):
///   blur1, blur2              1, 0.1 (0)   of the first and the second global view
///   solarize1, solarize2      0, 0.2
/// and where there are local views
///   local_crop_min, local_crop_max    0.05, 0.4
///   local_blur, local_solarize        0.5 (0), 0
std::vector<AugmentationPtr> make_byol_views(const ViewPlan& plan, std::int64_t size, float min_area,
                                             const Normalization& normalization, Settings& settings);

}  // namespace tsr
