#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "data/color.h"
#include "data/shapes.h"
#include "tensor/parallel.h"
#include "tests/data/temp_folder.h"
#include "tests/data/test_images.h"

namespace {

/// A config that changes nothing but the size.
tsr::AugmentationConfig nothing(int size) {
  tsr::AugmentationConfig config;
  config.size = size;
  config.min_area = config.max_area = 1;
  config.min_ratio = config.max_ratio = 1;
  config.flip = config.jitter = config.grey = config.blur = 0;
  return config;
}

std::vector<float> view_of(const tsr::AugmentationConfig& config, const tsr::Image& image,
                           std::int64_t id = 0, std::int64_t epoch = 0, int view = 0) {
  std::vector<float> out(static_cast<std::size_t>(config.size * config.size * image.channels));
  tsr::RandomAugmentation(config).apply(image, tsr::view_generator(1, epoch, id, view), out.data());
  return out;
}

/// Samples for which `happened` holds, among 4,000 with streams of their own.
double share(const std::function<bool(std::int64_t id)>& happened) {
  int count = 0;
  for (std::int64_t id = 0; id < 4000; ++id) count += happened(id);
  return count / 4000.0;
}

}  // namespace

TEST_CASE("a view is a function of seed, epoch, sample and view alone") {
  const tsr::Image image = noise_image(40, 30, 3);
  tsr::AugmentationConfig config;
  config.size = 32;
  const auto first = view_of(config, image);
  view_of(config, noise_image(70, 64, 1), 5);  // other work in between, of another size
  CHECK(view_of(config, image) == first);
  CHECK(view_of(config, image, 1) != first);
  CHECK(view_of(config, image, 0, 1) != first);
  CHECK(view_of(config, image, 0, 0, 1) != first);
  std::vector<float> other(first.size());
  tsr::RandomAugmentation(config).apply(image, tsr::view_generator(2, 0, 0, 0), other.data());
  CHECK(other != first);
}

TEST_CASE("switching one step off leaves the others' draws as they were") {
  const tsr::Image image = noise_image(40, 30, 3);
  tsr::AugmentationConfig config = tsr::small_image_augmentation(16);
  config.grey = 0;
  const auto plain = view_of(config, image);
  config.solarize = 1;
  auto expected = plain;
  for (float& value : expected) value = value >= config.solarize_threshold ? 1 - value : value;
  CHECK(view_of(config, image) == expected);
  config.solarize = 0;
  config.blur = 1;
  CHECK(view_of(config, image) == plain);  // at 16 pixels the kernel is a single one
  config.grey = 1;
  const auto grey = view_of(config, image);
  for (std::size_t i = 0; i < plain.size(); i += 3) {
    const float expected_grey = 0.2989f * plain[i] + 0.587f * plain[i + 1] + 0.114f * plain[i + 2];
    CHECK(grey[i] == doctest::Approx(expected_grey).epsilon(1e-5));
    CHECK(grey[i] == grey[i + 2]);
  }
}

TEST_CASE("each step happens as often as its probability says") {
  const tsr::Image image = noise_image(8, 8, 3);
  const auto plain = view_of(nothing(8), image);
  auto changed = [&](auto set, double probability) {
    tsr::AugmentationConfig config = nothing(8);
    set(config);
    CHECK(share([&](std::int64_t id) { return view_of(config, image, id) != plain; }) ==
          doctest::Approx(probability).epsilon(0.03 / probability));
  };
  changed([](auto& c) { c.flip = 0.5f; }, 0.5);
  changed([](auto& c) { c.jitter = 0.8f; }, 0.8);
  changed([](auto& c) { c.grey = 0.2f; }, 0.2);
  changed([](auto& c) { c.solarize = 0.1f; }, 0.1);
  tsr::AugmentationConfig config = nothing(40);
  config.blur = 0.5f;
  const auto sharp = view_of(nothing(40), image);
  CHECK(share([&](std::int64_t id) { return view_of(config, image, id) != sharp; }) ==
        doctest::Approx(0.5).epsilon(0.06));
}

TEST_CASE("jitter draws its factors from the whole range, in every order") {
  // One pixel of each of two shades: brightness alone scales both, within [1 - b, 1 + b].
  tsr::Image image(1, 1, 1, 51);
  tsr::AugmentationConfig config = nothing(1);
  config.jitter = 1;
  config.brightness = 0.4f;
  config.contrast = config.saturation = config.hue = 0;
  double low = 9, high = 0, sum = 0;
  for (std::int64_t id = 0; id < 4000; ++id) {
    const double factor = view_of(config, image, id)[0] / 0.2;
    low = std::min(low, factor);
    high = std::max(high, factor);
    sum += factor;
  }
  CHECK(low == doctest::Approx(0.6).epsilon(0.005));
  CHECK(high == doctest::Approx(1.4).epsilon(0.005));
  CHECK(sum / 4000 == doctest::Approx(1).epsilon(0.02));

  // Brightness and contrast do not commute: with both at work, a fixed pair of factors gives either result.
  config.brightness = 0.8f;
  config.contrast = 0.8f;
  image = noise_image(4, 4, 1);
  int brightness_first = 0, contrast_first = 0;
  tsr::PlaneBuffer buffer;
  for (std::int64_t id = 0; id < 400; ++id) {
    tsr::Generator generator = tsr::view_generator(1, 0, id, 0);
    generator.next_draw();
    generator.next_draw();
    tsr::RandomWords words(generator);  // the third draw is the jitter's
    words.uniform();
    const float brightness = words.uniform(0.2f, 1.8f), contrast = words.uniform(0.2f, 1.8f);
    auto result = [&](bool bright_first) {
      const tsr::Planes planes = to_planes(image, buffer);
      if (bright_first) tsr::adjust_brightness(planes, brightness);
      tsr::adjust_contrast(planes, contrast);
      if (!bright_first) tsr::adjust_brightness(planes, brightness);
      return std::vector<float>(planes.data, planes.data + planes.pixels());
    };
    tsr::AugmentationConfig sized = config;
    sized.size = 4;
    const auto got = view_of(sized, image, id);
    auto near = [&](const std::vector<float>& expected) {
      for (std::size_t i = 0; i < got.size(); ++i)
        if (std::fabs(got[i] - expected[i]) > 1e-5f) return false;
      return true;
    };
    const bool bright = near(result(true)), contrasted = near(result(false));
    CHECK((bright || contrasted));
    brightness_first += bright;
    contrast_first += contrasted;
  }
  CHECK(brightness_first > 150);
  CHECK(contrast_first > 150);
}

TEST_CASE("crops have the areas, ratios and places that RandomResizedCrop draws") {
  const tsr::AugmentationConfig config;
  double large = 0, mean_area = 0, mean_log_ratio = 0, low_area = 1, high_area = 0;
  int left_half = 0;
  constexpr int kCount = 4000;
  for (int i = 0; i < kCount; ++i) {
    tsr::Generator generator(static_cast<std::uint64_t>(i));
    tsr::RandomWords words(generator);
    const tsr::Box box = tsr::random_box(1000, 1000, config, words);
    REQUIRE(box.top >= 0);
    REQUIRE(box.left >= 0);
    REQUIRE(box.top + box.height <= 1000);
    REQUIRE(box.left + box.width <= 1000);
    const double area = box.height * box.width / 1e6, ratio = static_cast<double>(box.width) / box.height;
    CHECK(area > 0.0795);
    CHECK(ratio > 0.745);
    CHECK(ratio < 1.342);
    mean_area += area / kCount;
    large += (area > 0.9) / static_cast<double>(kCount);
    mean_log_ratio += std::log(ratio) / kCount;
    low_area = std::min(low_area, area);
    high_area = std::max(high_area, area);
    left_half += 2 * box.left + box.width < 1000;
  }
  // 20,000 boxes of torchvision's get_params have the mean 0.476, less than uniform areas: tries that don't
  // fit are large ones. 2.4 % of them exceed 0.9.
  CHECK(std::fabs(mean_area - 0.476) < 0.012);
  CHECK(std::fabs(large - 0.024) < 0.008);
  CHECK(low_area < 0.085);
  CHECK(high_area > 0.95);
  CHECK(std::fabs(mean_log_ratio) < 0.01);
  CHECK(left_half / static_cast<double>(kCount) == doctest::Approx(0.5).epsilon(0.06));
}

TEST_CASE("when no try fits, the crop is the largest central box of a permitted ratio") {
  tsr::AugmentationConfig config;
  config.min_area = config.max_area = 1;
  tsr::Generator generator(0);
  tsr::RandomWords words(generator);
  const tsr::Box wide = tsr::random_box(30, 300, config, words);
  CHECK(wide.height == 30);
  CHECK(wide.width == 40);
  CHECK(wide.left == 130);
  const tsr::Box tall = tsr::random_box(300, 30, config, words);
  CHECK(tall.width == 30);
  CHECK(tall.height == 40);
  CHECK(tall.top == 130);
}

TEST_CASE("one channel: colour steps do nothing, the rest works") {
  const tsr::Image image = noise_image(28, 28, 1);
  tsr::AugmentationConfig config = tsr::small_image_augmentation(28);
  const auto view = view_of(config, image);
  config.saturation = config.hue = 0;
  config.grey = 0;
  CHECK(view_of(config, image) == view);
  config.brightness = 0;
  CHECK(view_of(config, image) != view);
}

TEST_CASE("small images: jitter at strength 0.5, no blur, the paper's other settings") {
  const tsr::AugmentationConfig config = tsr::small_image_augmentation(32);
  CHECK(config.size == 32);
  CHECK(config.blur == 0);
  CHECK(config.brightness == doctest::Approx(0.4));
  CHECK(config.saturation == doctest::Approx(0.4));
  CHECK(config.hue == doctest::Approx(0.1));
  CHECK(config.grey == doctest::Approx(0.2));
  CHECK(config.min_area == doctest::Approx(0.08));
}

TEST_CASE("a config out of range is an input error that names the setting") {
  auto error = [](auto set) {
    tsr::AugmentationConfig config;
    set(config);
    return input_error([&] { tsr::RandomAugmentation augmentation(config); });
  };
  CHECK(contains(error([](auto& c) { c.size = 0; }), "size 0"));
  CHECK(contains(error([](auto& c) { c.min_area = 0; }), "crop area"));
  CHECK(contains(error([](auto& c) { c.max_area = 1.1f; }), "crop area"));
  CHECK(contains(error([](auto& c) { c.min_ratio = 2; }), "crop ratio"));
  CHECK(contains(error([](auto& c) { c.grey = 1.5f; }), "grey 1.5"));
  CHECK(contains(error([](auto& c) { c.hue = 0.6f; }), "hue"));
  CHECK(contains(error([](auto& c) { c.contrast = -1; }), "contrast"));
  CHECK(contains(error([](auto& c) { c.max_sigma = NAN; }), "blur sigma"));
  CHECK(contains(error([](auto& c) { c.normalization.std[1] = 0; }), "standard deviation"));
  CHECK(contains(input_error([] { tsr::CenterCrop crop(32, {}, 16); }), "32 pixels"));
}

TEST_CASE("evaluation views and statistics equal plain loops, at any number of threads") {
  const tsr::Shapes shapes(tsr::Split::test);
  const tsr::Normalization statistics = tsr::pixel_statistics(shapes, 100);
  std::array<double, 3> sum{}, square{};
  for (std::int64_t i = 0; i < 100; ++i) {
    const tsr::Image image = shapes.image(i * 50);
    for (std::size_t p = 0; p < image.pixels.size(); ++p) {
      const double value = image.pixels[p] / 255.0;
      sum[p % 3] += value;
      square[p % 3] += value * value;
    }
  }
  for (std::size_t c = 0; c < 3; ++c) {
    const double mean = sum[c] / 102'400, variance = square[c] / 102'400 - mean * mean;
    CHECK(statistics.mean[c] == doctest::Approx(mean).epsilon(1e-5));
    CHECK(statistics.std[c] == doctest::Approx(std::sqrt(variance)).epsilon(1e-4));
  }

  const tsr::CenterCrop crop(32, statistics);
  const int threads = tsr::thread_count();
  tsr::set_thread_count(1);
  const tsr::Tensor one = tsr::make_views(shapes, crop, 10, 77);
  tsr::set_thread_count(3);
  const tsr::Tensor three = tsr::make_views(shapes, crop, 10, 77);
  tsr::set_thread_count(threads);
  REQUIRE(one.shape() == tsr::Shape{67, 32, 32, 3});
  CHECK(std::memcmp(one.raw(), three.raw(), static_cast<std::size_t>(one.numel()) * sizeof(float)) == 0);
  const tsr::Image image = shapes.image(12);
  for (std::size_t p = 0; p < image.pixels.size(); ++p) {
    const float expected =
        (static_cast<float>(image.pixels[p]) / 255 - statistics.mean[p % 3]) / statistics.std[p % 3];
    CHECK(one.data<float>()[2 * 3072 + static_cast<std::int64_t>(p)] ==
          doctest::Approx(expected).epsilon(1e-4));
  }
  CHECK_THROWS_AS(tsr::make_views(shapes, crop, 0, 5001), tsr::Error);
}

TEST_CASE("a set of one shade has a standard deviation that can be divided by") {
  struct Flat final : tsr::Dataset {
    std::string name() const override { return "flat"; }
    std::int64_t size() const override { return 3; }
    int channels() const override { return 1; }
    tsr::Image image(std::int64_t) const override { return tsr::Image(2, 2, 1, 51); }
    const std::vector<std::string>& class_names() const override { return names; }
    std::int64_t label(std::int64_t) const override { return 0; }
    std::vector<std::string> names;
  };
  const tsr::Normalization statistics = tsr::pixel_statistics(Flat());
  CHECK(statistics.mean[2] == doctest::Approx(0.2));
  CHECK(statistics.std[0] > 0);
}
