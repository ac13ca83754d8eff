#include "data/shapes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "data/shape_distance.h"
#include "tensor/random.h"

namespace tsr {
namespace {

constexpr float kTurn = 2 * std::numbers::pi_v<float>;

using Color = std::array<float, 3>;

float mix(float a, float b, float share) { return a + (b - a) * share; }

/// A random colour of the given luminance (before clamping to 0…1).
Color random_color(RandomWords& words, float luminance) {
  Color color{words.uniform(), words.uniform(), words.uniform()};
  const float shift = luminance - (0.299f * color[0] + 0.587f * color[1] + 0.114f * color[2]);
  for (float& value : color) value = std::clamp(value + shift, 0.f, 1.f);
  return color;
}

/// Two colours mixed by a pattern over the plane.
struct Texture {
  enum Kind { plain, gradient, stripes, checks, kKinds } kind;
  Color first, second;
  float cosine, sine, frequency, phase;

  Texture(RandomWords& words, float luminance) {
    kind = static_cast<Kind>(words.below(kKinds));
    first = random_color(words, luminance + words.uniform(-0.1f, 0.1f));
    second = random_color(words, luminance + words.uniform(-0.1f, 0.1f));
    const float angle = words.uniform(0, kTurn);
    cosine = std::cos(angle);
    sine = std::sin(angle);
    frequency = kTurn / words.uniform(4, 9);  // a period of 4 to 9 pixels
    phase = words.uniform(0, kTurn);
  }

  /// The second colour's share at a point in pixels.
  float share(float x, float y) const {
    const float along = cosine * x + sine * y, across = cosine * y - sine * x;
    switch (kind) {
      case gradient:
        return std::clamp(along / Shapes::kSide, 0.f, 1.f);
      case stripes:
        return std::clamp(0.5f + std::sin(frequency * along + phase), 0.f, 1.f);
      case checks:
        return std::clamp(
            0.5f + 2 * std::sin(frequency * along + phase) * std::sin(frequency * across + phase), 0.f, 1.f);
      default:
        return 0;
    }
  }
};

/// Everything random about one picture but its noise.
struct Scene {
  float x, y, radius, angle, cosine, sine;
  Texture shape, background;

  // Braces, so that the words are drawn from left to right.
  explicit Scene(RandomWords& words) : Scene{words, words.uniform(0.15f, 0.4f), words.below(2) == 0} {}

 private:
  Scene(RandomWords& words, float dark, bool dark_shape)
      : x(Shapes::kSide * words.uniform(0.36f, 0.64f)),
        y(Shapes::kSide * words.uniform(0.36f, 0.64f)),
        radius(Shapes::kSide * words.uniform(0.22f, 0.38f)),
        angle(words.uniform(0, kTurn)),
        cosine(std::cos(angle)),
        sine(std::sin(angle)),
        shape(words, dark_shape ? dark : dark + 0.45f),
        background(words, dark_shape ? dark + 0.45f : dark) {}
};

/// How much of a pixel the shape covers: the distance to the outline, in pixels, as a ramp one pixel wide.
float coverage(const Scene& scene, SignedDistance distance, float x, float y) {
  const float dx = (x - scene.x) / scene.radius, dy = (y - scene.y) / scene.radius;
  const Point local{scene.cosine * dx + scene.sine * dy, scene.cosine * dy - scene.sine * dx};
  return std::clamp(0.5f - distance(local) * scene.radius, 0.f, 1.f);
}

Image draw(const Scene& scene, SignedDistance distance, RandomWords& noise) {
  Image image(Shapes::kSide, Shapes::kSide, 3);
  for (int row = 0; row < image.height; ++row) {
    for (int column = 0; column < image.width; ++column) {
      const float x = static_cast<float>(column) + 0.5f, y = static_cast<float>(row) + 0.5f;
      const float inside = coverage(scene, distance, x, y), shape_share = scene.shape.share(x, y),
                  background_share = scene.background.share(x, y), grain = noise.uniform(-0.04f, 0.04f);
      for (std::size_t c = 0; c < 3; ++c) {
        const float shape = mix(scene.shape.first[c], scene.shape.second[c], shape_share);
        const float background = mix(scene.background.first[c], scene.background.second[c], background_share);
        const float value = std::clamp(mix(background, shape, inside) + grain, 0.f, 1.f);
        image.at(row, column)[c] = static_cast<std::uint8_t>(std::lround(255 * value));
      }
    }
  }
  return image;
}

const RegisterDataset registered_shapes({.name = "shapes", .open = [](Split split, std::string_view) {
                                           return std::make_shared<Shapes>(split);
                                         }});

}  // namespace

Shapes::Shapes(Split split) : split_(split) {
  for (const Outline& outline : outlines()) class_names_.emplace_back(outline.name);
}

std::int64_t Shapes::label(std::int64_t index) const {
  TSR_CHECK(index >= 0 && index < size(), "shapes: no sample ", index, " among ", size());
  return index % kOutlineCount;
}

Image Shapes::image(std::int64_t index) const {
  const auto& outline = outlines()[static_cast<std::size_t>(label(index))];
  Generator generator =
      Generator(0).fork(split_ == Split::train ? 0 : 1).fork(static_cast<std::uint64_t>(index));
  RandomWords words(generator), noise(generator);
  return draw(Scene(words), outline.distance, noise);
}

}  // namespace tsr
