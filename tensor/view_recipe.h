#pragma once
// What is done to an image to make a view of it, once all is drawn: the host draws, and any device may make
// the view.

#include <array>

#include "tensor/kernel.h"

namespace tsr {

/// All that is drawn for a view. As a row of a float32 tensor [views, kFields] it goes to a device: what
/// counts pixels or says yes or no is a whole number there, and exact.
struct ViewRecipe {
  static constexpr int kFields = 13;

  float top = 0, left = 0, height = 0, width = 0;  ///< the crop, in pixels of the image
  float flip = 0;                                  ///< 1: mirrored left to right
  float order = -1;  ///< of the jitter's steps, as in_order packs them; -1: none
  float brightness = 1, contrast = 1, saturation = 1, hue = 0;
  float grey = 0;      ///< 1: without colour
  float sigma = 0;     ///< of a Gaussian blur, in pixels of the view; 0: none
  float solarize = 0;  ///< 1: bright pixels are inverted

  /// Steps of the jitter (0 brightness, 1 contrast, 2 saturation, 3 hue), first to last, in one number.
  static constexpr float in_order(const std::array<int, 4>& steps) {
    return static_cast<float>(steps[0] + 4 * steps[1] + 16 * steps[2] + 64 * steps[3]);
  }
  constexpr int step(int i) const { return static_cast<int>(order) >> 2 * i & 3; }
};
static_assert(sizeof(ViewRecipe) == ViewRecipe::kFields * sizeof(float));

/// What all views of an augmentation have in common.
struct ViewSettings {
  int blur_radius = 0;  ///< in pixels
  float solarize_threshold = 0.5f;
  std::array<float, 3> mean{0, 0, 0}, std{1, 1, 1};  ///< of the channels, as in Normalization
};

/// Makes views [N, size, size, channels] of N images: `pixels` (uint8) holds them one behind the other,
/// `places` (int64 [N, 3]) says at which byte each begins, its height and its width, `recipes` is float32 [N,
/// ViewRecipe::kFields].
inline Kernel<void(Context&, View views, View pixels, View places, View recipes, const ViewSettings&)>
    augment_views{"augment_views"_slot};

}  // namespace tsr
