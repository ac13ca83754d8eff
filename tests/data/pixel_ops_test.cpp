// The vectorised pixel operations against plain loops in double, at sizes that leave every remainder.
#include <algorithm>
#include <array>
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

#include "data/blur.h"
#include "data/color.h"
#include "data/resize.h"
#include "tensor/error.h"
#include "tests/data/pixel_reference.h"
#include "tests/data/test_images.h"

namespace {

using tsr::test::grey;
using tsr::test::reference_hue;
using tsr::test::reference_resize;
using tsr::test::unit;
using Pixels = std::vector<double>;  // channels last

Pixels reference_values(const tsr::Image& image) {
  Pixels values;
  for (const auto byte : image.pixels) values.push_back(byte / 255.0);
  return values;
}

double worst_difference(const tsr::Planes& planes, const Pixels& expected) {
  double worst = 0;
  std::size_t i = 0;
  for (int y = 0; y < planes.height; ++y)
    for (int x = 0; x < planes.width; ++x)
      for (int c = 0; c < planes.channels; ++c, ++i)
        worst = std::max(worst, std::fabs(planes.row(c, y)[x] - expected[i]));
  return worst;
}

/// Runs check(image, planes, values, grey-or-colour) at many sizes.
template <class Check>
void at_many_sizes(Check check) {
  tsr::PlaneBuffer buffer;
  for (const int channels : {1, 3}) {
    for (const auto& size : {std::pair{1, 1}, {1, 3}, {4, 4}, {3, 5}, {1, 17}, {7, 9}, {32, 32}, {13, 31}}) {
      const tsr::Image image = noise_image(size.first, size.second, channels);
      CAPTURE(channels);
      CAPTURE(size.first);
      CAPTURE(size.second);
      check(image, to_planes(image, buffer), reference_values(image));
    }
  }
}

}  // namespace

TEST_CASE("crop and resize, growing and shrinking, flipped or not, equal the plain filter") {
  tsr::Generator generator(3);
  tsr::RandomWords words(generator);
  tsr::PlaneBuffer buffer;
  auto between = [&](int low, int high) {
    return low + static_cast<int>(words.below(static_cast<std::uint32_t>(high - low + 1)));
  };
  for (int trial = 0; trial < 60; ++trial) {
    const tsr::Image image =
        noise_image(between(1, 40), between(1, 40), trial % 2 ? 3 : 1, static_cast<std::uint64_t>(trial));
    tsr::Box box;
    box.height = between(1, image.height);
    box.width = between(1, image.width);
    box.top = between(0, image.height - box.height);
    box.left = between(0, image.width - box.width);
    const bool flip = trial % 3 == 0;
    const tsr::Planes out = buffer.reshape(image.channels, between(1, 37), between(1, 37));
    tsr::crop_resize(image, box, flip, out);
    Pixels expected;
    for (int y = 0; y < out.height; ++y)
      for (int x = 0; x < out.width; ++x)
        for (int c = 0; c < image.channels; ++c)
          expected.push_back(
              reference_resize(image, box, out.height, out.width, y, flip ? out.width - 1 - x : x, c));
    CAPTURE(trial);
    CHECK(worst_difference(out, expected) < 5e-6);
  }
}

TEST_CASE("a crop of the whole image at its own size is the image") {
  tsr::PlaneBuffer buffer;
  const tsr::Image image = noise_image(9, 9, 3);
  const tsr::Planes out = buffer.reshape(3, 9, 9);
  tsr::crop_resize(image, {0, 0, 9, 9}, false, out);
  CHECK(worst_difference(out, reference_values(image)) < 1e-7);
}

TEST_CASE("a box that leaves the image is an error") {
  tsr::PlaneBuffer buffer;
  const tsr::Image image = noise_image(9, 9, 3);
  CHECK_THROWS_AS(tsr::crop_resize(image, {0, 1, 9, 9}, false, buffer.reshape(3, 4, 4)), tsr::Error);
  CHECK_THROWS_AS(tsr::crop_resize(image, {0, 0, 0, 9}, false, buffer.reshape(3, 4, 4)), tsr::Error);
  CHECK_THROWS_AS(tsr::crop_resize(image, {0, 0, 9, 9}, false, buffer.reshape(1, 4, 4)), tsr::Error);
}

TEST_CASE("brightness, contrast, saturation, greyscale and solarising equal their formulas") {
  at_many_sizes([](const tsr::Image& image, const tsr::Planes& planes, const Pixels& values) {
    tsr::PlaneBuffer buffer;
    const auto channels = static_cast<std::size_t>(image.channels);
    double mean = 0;
    for (std::size_t i = 0; i < values.size(); i += channels)
      mean += channels == 3 ? grey(&values[i]) : values[i];
    mean /= image.height * image.width;
    auto expect = [&](auto formula) {
      Pixels expected;
      for (std::size_t i = 0; i < values.size(); ++i)
        expected.push_back(formula(values[i], &values[i - i % channels]));
      return expected;
    };
    for (const double f : {0.0, 0.3, 1.0, 1.8}) {
      const auto factor = static_cast<float>(f);
      tsr::Planes changed = to_planes(image, buffer);
      tsr::adjust_brightness(changed, factor);
      CHECK(worst_difference(changed, expect([&](double x, auto) { return unit(f * x); })) < 1e-6);
      changed = to_planes(image, buffer);
      tsr::adjust_contrast(changed, factor);
      CHECK(worst_difference(changed, expect([&](double x, auto) { return unit(f * x + (1 - f) * mean); })) <
            2e-6);
      changed = to_planes(image, buffer);
      tsr::adjust_saturation(changed, factor);
      CHECK(worst_difference(changed, expect([&](double x, const double* p) {
                               return channels == 1 ? x : unit(f * x + (1 - f) * grey(p));
                             })) < 1e-6);
    }
    tsr::Planes changed = to_planes(image, buffer);
    tsr::make_grey(changed);
    CHECK(worst_difference(changed, expect([&](double x, const double* p) {
                             return channels == 1 ? x : grey(p);
                           })) < 1e-6);
    tsr::solarize(planes, 0.4f);
    CHECK(worst_difference(planes, expect([](double x, auto) { return x >= 0.4 ? 1 - x : x; })) < 1e-6);
  });
}

TEST_CASE("turning the hue equals the six cases of HSV, and leaves grey alone") {
  at_many_sizes([](const tsr::Image& image, const tsr::Planes&, const Pixels& values) {
    tsr::PlaneBuffer buffer;
    for (const double turn : {-0.5, -0.21, 0.0, 0.1, 0.37, 0.5}) {
      Pixels expected = values;
      for (std::size_t i = 0; image.channels == 3 && i < values.size(); i += 3) {
        const auto turned = reference_hue(&values[i], turn);
        std::copy(turned.begin(), turned.end(), expected.begin() + static_cast<std::ptrdiff_t>(i));
      }
      const tsr::Planes planes = to_planes(image, buffer);
      tsr::adjust_hue(planes, static_cast<float>(turn));
      CHECK(worst_difference(planes, expected) < 5e-6);
    }
  });
  tsr::PlaneBuffer buffer;
  const tsr::Image flat(4, 4, 3, 77);
  const tsr::Planes planes = to_planes(flat, buffer);
  tsr::adjust_hue(planes, 0.3f);
  CHECK(worst_difference(planes, reference_values(flat)) == doctest::Approx(0).epsilon(1e-7));
}

TEST_CASE("Gaussian blur equals the plain double sum with reflected edges") {
  at_many_sizes([](const tsr::Image& image, const tsr::Planes&, const Pixels& values) {
    tsr::PlaneBuffer buffer;
    for (const int radius : {0, 1, 3, 6}) {
      if (radius >= std::min(image.height, image.width)) continue;
      const double sigma = 1.3;
      const Pixels expected =
          tsr::test::reference_blur(values, image.height, image.width, image.channels, radius, sigma);
      const tsr::Planes planes = to_planes(image, buffer);
      tsr::gaussian_blur(planes, radius, static_cast<float>(sigma));
      CAPTURE(radius);
      CHECK(worst_difference(planes, expected) < 2e-6);
    }
  });
  tsr::PlaneBuffer buffer;
  CHECK_THROWS_AS(tsr::gaussian_blur(buffer.reshape(1, 4, 4), 4, 1), tsr::Error);
  CHECK_THROWS_AS(tsr::gaussian_blur(buffer.reshape(1, 4, 4), 1, 0), tsr::Error);
}

TEST_CASE("normalised pixels are written channels last and not beyond the end") {
  at_many_sizes([](const tsr::Image& image, const tsr::Planes& planes, const Pixels& values) {
    const std::array<float, 3> mean{0.4f, 0.5f, 0.6f}, std{0.2f, 0.25f, 0.3f};
    std::vector<float> out(values.size() + 1, -7);
    tsr::store_normalized(planes, mean, std, out.data());
    double worst = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t c = i % static_cast<std::size_t>(image.channels);
      worst = std::max(worst, std::fabs(out[i] - (values[i] - double{mean[c]}) / double{std[c]}));
    }
    CHECK(worst < 2e-6);
    CHECK(out.back() == -7);
  });
}
