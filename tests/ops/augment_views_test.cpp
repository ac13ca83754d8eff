// augment_views: views by recipes, against plain loops in double. It has no op of its own. On the host the
// kernel for float64 computes in float32 too.
#include <array>
#include <cstring>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tensor/view_recipe.h"
#include "tests/data/pixel_reference.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

/// Images of several sizes, and what is done to each.
struct AugmentSetting {
  int channels, size;  ///< of the views
  int images;

  static constexpr int kShortest = 3;
  Image shape(int i) const { return {kShortest + i * 5 % 23, kShortest + i * 7 % 31, channels}; }
  std::int64_t bytes() const {
    std::int64_t total = 0;
    for (int i = 0; i < images; ++i) total += static_cast<std::int64_t>(shape(i).pixels.size());
    return total;
  }
  /// Each step is done to some of the images, and the jitter's steps in several orders.
  ViewRecipe recipe(int i) const {
    const Image image = shape(i);
    ViewRecipe r{.height = static_cast<float>(image.height), .width = static_cast<float>(image.width)};
    if (i % 3 != 0)
      r.top = static_cast<float>(i % 2), r.left = 1, r.height -= r.top + 1,
      r.width -= r.left + static_cast<float>(i % 2);
    r.flip = static_cast<float>(i % 2);
    constexpr std::array<int, 4> kOrders[] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}, {2, 0, 3, 1}};
    if (i % 5 != 4) r.order = ViewRecipe::in_order(kOrders[i % 4]);
    r.brightness = 0.6f + 0.1f * static_cast<float>(i % 9),
    r.contrast = 1.4f - 0.1f * static_cast<float>(i % 8);
    r.saturation = 0.3f + 0.2f * static_cast<float>(i % 7), r.hue = -0.2f + 0.06f * static_cast<float>(i % 8);
    r.grey = static_cast<float>(i % 6 == 5), r.solarize = static_cast<float>(i % 4 == 2);
    if (i % 2 == 0) r.sigma = 0.4f + 0.3f * static_cast<float>(i % 5);
    return r;
  }
  ViewSettings settings() const {
    return {.blur_radius = size / 6, .mean = {0.3f, 0.5f, 0.6f}, .std = {0.5f, 0.8f, 0.4f}};
  }
};

Tensor augment_by_kernel(const AugmentSetting& setting, const Tensors& in) {
  Tensor places = empty({setting.images, 3}, int64), recipes = empty({setting.images, ViewRecipe::kFields});
  std::int64_t start = 0;
  for (int i = 0; i < setting.images; ++i) {
    const Image image = setting.shape(i);
    const std::int64_t place[] = {start, image.height, image.width};
    std::copy_n(place, 3, places.data<std::int64_t>() + 3 * i);
    const ViewRecipe recipe = setting.recipe(i);
    std::memcpy(recipes.data<float>() + i * ViewRecipe::kFields, &recipe, sizeof recipe);
    start += static_cast<std::int64_t>(image.pixels.size());
  }
  const Device device = in[0].device();
  const Tensor pixels = cast(in[0], uint8), there = places.to(device), drawn = recipes.to(device);
  Tensor views = empty({setting.images, setting.size, setting.size, setting.channels}, in[1].dtype(), device);
  Context context(device);
  augment_views(context, views.view(), pixels.view(), there.view(), drawn.view(), setting.settings());
  return views;
}

using Pixels = std::vector<double>;

void jitter_by_loops(Pixels& view, int channels, const ViewRecipe& r, int step) {
  const auto each = static_cast<std::size_t>(channels);
  const auto grey_at = [&](std::size_t i) { return channels == 3 ? grey(&view[i - i % each]) : view[i]; };
  double mean = 0;
  for (std::size_t i = 0; i < view.size(); i += each) mean += grey_at(i);
  mean *= static_cast<double>(each) / static_cast<double>(view.size());
  const Pixels before = view;
  for (std::size_t i = 0; i < view.size(); ++i) {
    const double* pixel = &before[i - i % each];
    if (step == 0) view[i] = unit(r.brightness * before[i]);
    if (step == 1) view[i] = unit(r.contrast * before[i] + (1.0 - r.contrast) * mean);
    if (step == 2 && channels == 3)
      view[i] = unit(r.saturation * before[i] + (1.0 - r.saturation) * grey(pixel));
    if (step == 3 && channels == 3) view[i] = reference_hue(pixel, r.hue)[i % 3];
  }
}

Pixels view_by_loops(const AugmentSetting& setting, const Image& image, const ViewRecipe& r) {
  const Box box{static_cast<int>(r.top), static_cast<int>(r.left), static_cast<int>(r.height),
                static_cast<int>(r.width)};
  const ViewSettings shared = setting.settings();
  Pixels view;
  for (int y = 0; y < setting.size; ++y)
    for (int x = 0; x < setting.size; ++x)
      for (int c = 0; c < setting.channels; ++c)
        view.push_back(reference_resize(image, box, setting.size, setting.size, y,
                                        r.flip != 0 ? setting.size - 1 - x : x, c));
  if (r.order >= 0)
    for (int i = 0; i < 4; ++i) jitter_by_loops(view, setting.channels, r, r.step(i));
  if (r.grey != 0 && setting.channels == 3)
    for (std::size_t i = 0; i < view.size(); i += 3) view[i] = view[i + 1] = view[i + 2] = grey(&view[i]);
  if (r.sigma > 0)
    view = reference_blur(view, setting.size, setting.size, setting.channels, shared.blur_radius, r.sigma);
  for (std::size_t i = 0; i < view.size(); ++i) {
    if (r.solarize != 0 && view[i] >= shared.solarize_threshold) view[i] = 1 - view[i];
    const std::size_t c = i % static_cast<std::size_t>(setting.channels);
    view[i] = (view[i] - shared.mean.at(c)) / shared.std.at(c);
  }
  return view;
}

Tensor augment_by_loops(const AugmentSetting& setting, const Tensors& in) {
  Tensor views = empty({setting.images, setting.size, setting.size, setting.channels}, float64);
  const std::int64_t* bytes = in[0].data<std::int64_t>();
  double* out = views.data<double>();
  for (int i = 0; i < setting.images; ++i) {
    Image image = setting.shape(i);
    for (std::uint8_t& byte : image.pixels) byte = static_cast<std::uint8_t>(*bytes++);
    const Pixels view = view_by_loops(setting, image, setting.recipe(i));
    out = std::copy(view.begin(), view.end(), out);
  }
  return views;
}

bool augment_case(const AugmentSetting& setting) {
  return add_case(
      {.name = "augment_views",
       .kernels = {"augment_views"},
       .call = [=](const Tensors& in) { return augment_by_kernel(setting, in); },
       .reference = [=](const Tensors& in) { return augment_by_loops(setting, in); },
       .variants = {{.inputs = {{{setting.bytes()}, Values::indices, 256}, {{1}}}, .gradients = false}},
       .differentiable = Differentiable::no,
       .tolerance32 = 2e-5,
       .tolerance64 = 2e-5});
}

const bool augment_cases[] = {augment_case({.channels = 3, .size = 14, .images = 20}),
                              augment_case({.channels = 1, .size = 9, .images = 11}),
                              augment_case({.channels = 3, .size = 1, .images = 3}),
                              augment_case({.channels = 3, .size = 31, .images = 5}),
                              augment_case({.channels = 3, .size = 8, .images = 0})};

}  // namespace
}  // namespace tsr::test
