#include "data/recipe.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "data/blur.h"
#include "data/color.h"
#include "data/resize.h"
#include "tensor/parallel.h"

namespace tsr {
namespace {

/// Each thread's working planes.
Planes view_planes(int channels, int size) {
  thread_local PlaneBuffer buffer;
  return buffer.reshape(channels, size, size);
}

void jitter(const Planes& view, const ViewRecipe& recipe) {
  for (int i = 0; i < 4; ++i) {
    switch (recipe.step(i)) {
      case 0:
        adjust_brightness(view, recipe.brightness);
        break;
      case 1:
        adjust_contrast(view, recipe.contrast);
        break;
      case 2:
        adjust_saturation(view, recipe.saturation);
        break;
      default:
        adjust_hue(view, recipe.hue);
        break;
    }
  }
}

template <class T>
void augment_on_host(Context&, View views, View pixels, View places, View recipes,
                     const ViewSettings& settings) {
  const auto size = static_cast<int>(views.size[1]), channels = static_cast<int>(views.size[3]);
  const std::int64_t values = std::int64_t{size} * size * channels;
  const auto* bytes = pixels.as<std::uint8_t>();
  const auto* place = places.as<std::int64_t>();
  const auto* recipe = reinterpret_cast<const ViewRecipe*>(recipes.as<float>());
  parallel_for(views.size[0], 8, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> view(static_cast<std::size_t>(values));
    for (std::int64_t i = begin; i < end; ++i) {
      Image image(static_cast<int>(place[3 * i + 1]), static_cast<int>(place[3 * i + 2]), channels);
      std::copy_n(bytes + place[3 * i], image.pixels.size(), image.pixels.data());
      make_view(image, recipe[i], settings, size, view.data());
      std::copy_n(view.data(), values, views.as<T>() + i * values);
    }
  });
}

TSR_CPU_KERNEL(augment_views, augment_on_host, float, double);

}  // namespace

void make_view(const Image& image, const ViewRecipe& recipe, const ViewSettings& settings, int size,
               float* out) {
  const Planes view = view_planes(image.channels, size);
  crop_resize(image,
              {static_cast<int>(recipe.top), static_cast<int>(recipe.left), static_cast<int>(recipe.height),
               static_cast<int>(recipe.width)},
              recipe.flip != 0, view);
  if (recipe.order >= 0) jitter(view, recipe);
  if (recipe.grey != 0) make_grey(view);
  if (recipe.sigma > 0) gaussian_blur(view, settings.blur_radius, recipe.sigma);
  if (recipe.solarize != 0) solarize(view, settings.solarize_threshold);
  store_normalized(view, settings.mean, settings.std, out);
}

}  // namespace tsr
