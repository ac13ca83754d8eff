// An augmentation: a random square window, turned by a multiple of 90°. `--set augmentation=turns`.
#include <algorithm>

#include "apps/augmentations.h"
#include "data/color.h"
#include "data/planes.h"
#include "data/resize.h"

namespace {

using namespace tsr;

class Turns final : public Augmentation {
 public:
  Turns(std::int64_t size, const Normalization& normalization, double smallest)
      : size_(static_cast<int>(size)), normalization_(normalization), smallest_(smallest) {}

  int size() const override { return size_; }

  void apply(const Image& image, Generator generator, float* out) const override {
    thread_local PlaneBuffer upright_buffer, turned_buffer;
    const Planes upright = upright_buffer.reshape(image.channels, size_, size_),
                 turned = turned_buffer.reshape(image.channels, size_, size_);
    RandomWords words(generator);
    crop_resize(image, window(image, words), words.below(2) == 1, upright);
    const std::uint32_t quarters = words.below(4);
    for (int c = 0; c < image.channels; ++c)
      for (int y = 0; y < size_; ++y)
        for (int x = 0; x < size_; ++x) turned.row(c, y)[x] = turned_pixel(upright, c, y, x, quarters);
    adjust_brightness(turned, words.uniform(0.8f, 1.2f));
    store_normalized(turned, normalization_.mean, normalization_.std, out);
  }

 private:
  /// A square of at least smallest_ times the shorter side, anywhere in the image.
  Box window(const Image& image, RandomWords& words) const {
    const auto shorter = static_cast<float>(std::min(image.height, image.width));
    const int side = std::max(1, static_cast<int>(shorter * words.uniform(static_cast<float>(smallest_), 1)));
    const auto top = words.below(static_cast<std::uint32_t>(image.height - side + 1)),
               left = words.below(static_cast<std::uint32_t>(image.width - side + 1));
    return {static_cast<int>(top), static_cast<int>(left), side, side};
  }

  static float turned_pixel(const Planes& from, int channel, int y, int x, std::uint32_t quarters) {
    const int last = from.height - 1;
    switch (quarters) {
      case 0:
        return from.row(channel, y)[x];
      case 1:
        return from.row(channel, x)[last - y];
      case 2:
        return from.row(channel, last - y)[last - x];
      default:
        return from.row(channel, last - x)[y];
    }
  }

  int size_;
  Normalization normalization_;
  double smallest_;
};

const RegisterAugmentation registered({.name = "turns",
                                       .make = [](std::int64_t size, const Normalization& normalization,
                                                  Settings& s) -> AugmentationPtr {
                                         return std::make_shared<Turns>(size, normalization,
                                                                        s.real("window_min", 0.7, 0.1, 1));
                                       }});

}  // namespace
