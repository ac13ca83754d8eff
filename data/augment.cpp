#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "data/color.h"
#include "tensor/parallel.h"

namespace tsr {
namespace {

/// Each thread's working planes.
Planes working_planes(int channels, int size) {
  thread_local PlaneBuffer buffer;
  return buffer.reshape(channels, size, size);
}

void check_range(const char* name, float low, float high, float least, float most) {
  TSR_CHECK_INPUT(least <= low && low <= high && high <= most, "augmentation: ", name, " ", low, " to ", high,
                  " must rise and lie in ", least, " to ", most);
}

void check(const AugmentationConfig& config) {
  TSR_CHECK_INPUT(config.size >= 1 && config.size <= 4096, "augmentation: size ", config.size,
                  " must be 1 to 4096");
  check_range("crop area", config.min_area, config.max_area, 1e-6f, 1);
  check_range("crop ratio", config.min_ratio, config.max_ratio, 1e-3f, 1e3f);
  check_range("blur sigma", config.min_sigma, config.max_sigma, 1e-3f, 1e3f);
  const std::pair<const char*, float> probabilities[] = {{"flip", config.flip},
                                                         {"jitter", config.jitter},
                                                         {"grey", config.grey},
                                                         {"blur", config.blur},
                                                         {"solarize", config.solarize}};
  for (const auto& [name, value] : probabilities)
    TSR_CHECK_INPUT(value >= 0 && value <= 1, "augmentation: ", name, " ", value,
                    " is a probability: 0 to 1");
  const std::pair<const char*, float> strengths[] = {
      {"brightness", config.brightness}, {"contrast", config.contrast}, {"saturation", config.saturation}};
  for (const auto& [name, value] : strengths)
    TSR_CHECK_INPUT(value >= 0, "augmentation: ", name, " ", value, " must not be negative");
  TSR_CHECK_INPUT(config.hue >= 0 && config.hue <= 0.5f, "augmentation: hue ", config.hue,
                  " must be 0 to 0.5 of the circle");
}

void check(const Normalization& normalization) {
  for (const float std : normalization.std)
    TSR_CHECK_INPUT(std > 0, "normalization: standard deviation ", std, " must be positive");
}

/// The largest central box whose ratio lies within the limits.
Box central_box(int height, int width, float min_ratio, float max_ratio) {
  const float ratio = static_cast<float>(width) / static_cast<float>(height);
  Box box{0, 0, height, width};
  if (ratio < min_ratio)
    box.height = std::clamp(static_cast<int>(std::lround(static_cast<float>(width) / min_ratio)), 1, height);
  else if (ratio > max_ratio)
    box.width = std::clamp(static_cast<int>(std::lround(static_cast<float>(height) * max_ratio)), 1, width);
  box.top = (height - box.height) / 2;
  box.left = (width - box.width) / 2;
  return box;
}

}  // namespace

Generator view_generator(std::uint64_t seed, std::int64_t epoch, std::int64_t id, int view) {
  return Generator(seed)
      .fork(static_cast<std::uint64_t>(epoch))
      .fork(static_cast<std::uint64_t>(id))
      .fork(static_cast<std::uint64_t>(view));
}

ViewRecipe Augmentation::draw(int, int, Generator) const {
  throw InputError("augmentation: this one has no recipes; its views can be made on the host alone");
}
ViewSettings Augmentation::settings() const {
  throw InputError("augmentation: this one has no recipes; its views can be made on the host alone");
}

Tensors views_on(Device device, const RawViews& raw, const std::vector<AugmentationPtr>& augmentations,
                 std::int64_t channels) {
  TSR_CHECK(raw.recipes.size() == augmentations.size(), "views_on: recipes for ", raw.recipes.size(),
            " views, but ", augmentations.size(), " augmentations");
  const Tensor pixels = raw.pixels.to(device), places = raw.places.to(device);
  Tensors result;
  for (std::size_t v = 0; v < augmentations.size(); ++v) {
    const std::int64_t size = augmentations[v]->size();
    const Tensor views = empty({places.size(0), size, size, channels}, float32, device),
                 recipes = raw.recipes[v].to(device);
    Context context(device);
    augment_views(context, views.view(), pixels.view(), places.view(), recipes.view(),
                  augmentations[v]->settings());
    result.push_back(views);
  }
  return result;
}

AugmentationConfig& AugmentationConfig::jitter_strength(float strength) {
  brightness = contrast = saturation = 0.8f * strength;
  hue = 0.2f * strength;
  return *this;
}

AugmentationConfig small_image_augmentation(int size) {
  AugmentationConfig config;
  config.size = size;
  config.blur = 0;
  return config.jitter_strength(0.5f);
}

Box random_box(int height, int width, const AugmentationConfig& config, RandomWords& words) {
  const float area = static_cast<float>(height) * static_cast<float>(width);
  const float low = std::log(config.min_ratio), high = std::log(config.max_ratio);
  for (int tries = 0; tries < 10; ++tries) {
    const float target = area * words.uniform(config.min_area, config.max_area);
    const float ratio = std::exp(words.uniform(low, high));
    const auto box_width = static_cast<int>(std::lround(std::sqrt(target * ratio)));
    const auto box_height = static_cast<int>(std::lround(std::sqrt(target / ratio)));
    if (box_width < 1 || box_width > width || box_height < 1 || box_height > height) continue;
    const auto top = words.below(static_cast<std::uint32_t>(height - box_height + 1));
    const auto left = words.below(static_cast<std::uint32_t>(width - box_width + 1));
    return {static_cast<int>(top), static_cast<int>(left), box_height, box_width};
  }
  return central_box(height, width, config.min_ratio, config.max_ratio);
}

RandomAugmentation::RandomAugmentation(const AugmentationConfig& config) : config_(config) {
  check(config);
  check(config.normalization);
}

ViewRecipe RandomAugmentation::draw(int height, int width, Generator generator) const {
  // Each step reads a draw of its own: switching one off leaves the others as they were.
  RandomWords crop(generator), flip(generator), color(generator), grey(generator), blur(generator),
      solar(generator);
  const Box box = random_box(height, width, config_, crop);
  ViewRecipe recipe{.top = static_cast<float>(box.top),
                    .left = static_cast<float>(box.left),
                    .height = static_cast<float>(box.height),
                    .width = static_cast<float>(box.width)};
  recipe.flip = flip.uniform() < config_.flip;
  if (color.uniform() < config_.jitter) draw_jitter(color, recipe);
  recipe.grey = grey.uniform() < config_.grey;
  if (blur.uniform() < config_.blur) recipe.sigma = blur.uniform(config_.min_sigma, config_.max_sigma);
  recipe.solarize = solar.uniform() < config_.solarize;
  return recipe;
}

void RandomAugmentation::draw_jitter(RandomWords& words, ViewRecipe& recipe) const {
  auto factor = [&](float range) { return words.uniform(std::max(0.f, 1 - range), 1 + range); };
  recipe.brightness = factor(config_.brightness);
  recipe.contrast = factor(config_.contrast);
  recipe.saturation = factor(config_.saturation);
  recipe.hue = words.uniform(-config_.hue, config_.hue);
  std::array<int, 4> order{0, 1, 2, 3};
  for (std::uint32_t i = 3; i > 0; --i) std::swap(order[i], order[words.below(i + 1)]);
  recipe.order = ViewRecipe::in_order(order);
}

ViewSettings RandomAugmentation::settings() const {
  return {.blur_radius = config_.size / 20,
          .solarize_threshold = config_.solarize_threshold,
          .mean = config_.normalization.mean,
          .std = config_.normalization.std};
}

void RandomAugmentation::apply(const Image& image, Generator generator, float* out) const {
  make_view(image, draw(image.height, image.width, generator), settings(), config_.size, out);
}

CenterCrop::CenterCrop(int size, const Normalization& normalization, int resize)
    : size_(size), resize_(resize), normalization_(normalization) {
  TSR_CHECK_INPUT(size >= 1 && size <= 4096, "centre crop: size ", size, " must be 1 to 4096");
  if (resize_ == 0) resize_ = size <= 64 ? size : size * 8 / 7;
  TSR_CHECK_INPUT(resize_ >= size, "centre crop: ", size, " pixels cannot be cut from ", resize_);
  check(normalization);
}

void CenterCrop::apply(const Image& image, Generator, float* out) const {
  const std::int64_t shorter = std::min(image.height, image.width);
  const auto height = static_cast<int>(image.height * std::int64_t{resize_} / shorter),
             width = static_cast<int>(image.width * std::int64_t{resize_} / shorter);
  thread_local Taps rows, columns;
  // Half a pixel goes to the even side, as in torchvision.
  auto margin = [&](int side) { return static_cast<int>(std::lrint((side - size_) / 2.0)); };
  bilinear_taps(0, image.height, height, margin(height), size_, false, rows);
  bilinear_taps(0, image.width, width, margin(width), size_, false, columns);
  const Planes view = working_planes(image.channels, size_);
  resample(image, rows, columns, view);
  store_normalized(view, normalization_.mean, normalization_.std, out);
}

Normalization pixel_statistics(const Dataset& dataset, std::int64_t limit) {
  const std::int64_t count = std::min(dataset.size(), limit), channels = dataset.channels();
  TSR_CHECK(count > 0, "pixel_statistics: ", dataset.name(), " has no images to look at");
  // Bytes add up exactly, so the threads' order does not matter.
  struct Sums {
    std::array<std::uint64_t, 3> values{}, squares{};
    std::uint64_t pixels = 0;
  };
  constexpr std::int64_t kGrain = 64;
  std::vector<Sums> chunks(static_cast<std::size_t>((count + kGrain - 1) / kGrain));
  parallel_for(count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    Sums& sums = chunks[static_cast<std::size_t>(begin / kGrain)];
    for (std::int64_t i = begin; i < end; ++i) {
      const Image image = dataset.image(i * dataset.size() / count);
      for (std::size_t p = 0; p < image.pixels.size(); ++p) {
        const std::uint64_t value = image.pixels[p];
        const std::size_t c = p % static_cast<std::size_t>(channels);
        sums.values[c] += value;
        sums.squares[c] += value * value;
      }
      sums.pixels += image.pixels.size() / static_cast<std::size_t>(channels);
    }
  });
  Sums all;
  for (const Sums& sums : chunks) {
    for (std::size_t c = 0; c < 3; ++c) {
      all.values[c] += sums.values[c];
      all.squares[c] += sums.squares[c];
    }
    all.pixels += sums.pixels;
  }
  Normalization result;
  for (std::size_t c = 0; c < 3; ++c) {
    const std::size_t from = channels == 1 ? 0 : c;
    const double pixels = static_cast<double>(all.pixels);
    const double mean = static_cast<double>(all.values[from]) / pixels / 255;
    const double square = static_cast<double>(all.squares[from]) / pixels / (255.0 * 255.0);
    result.mean[c] = static_cast<float>(mean);
    // A set of one single shade must not be divided by zero.
    result.std[c] = static_cast<float>(std::max(std::sqrt(std::max(0.0, square - mean * mean)), 1e-3));
  }
  return result;
}

Tensor make_views(const Dataset& dataset, const Augmentation& augmentation, std::int64_t begin,
                  std::int64_t end, std::uint64_t seed) {
  TSR_CHECK(0 <= begin && begin <= end && end <= dataset.size(), "make_views: samples ", begin, " to ", end,
            " of ", dataset.name(), ", which has ", dataset.size());
  const std::int64_t size = augmentation.size(), channels = dataset.channels();
  Tensor views = empty({end - begin, size, size, channels});
  auto* out = views.data<float>();
  parallel_for(end - begin, 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i)
      augmentation.apply(dataset.image(begin + i), view_generator(seed, 0, dataset.id(begin + i), 0),
                         out + i * size * size * channels);
  });
  return views;
}

}  // namespace tsr
