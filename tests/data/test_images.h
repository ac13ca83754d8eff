#pragma once
// Images for the tests of augmentation.

#include <cstdint>

#include "data/image.h"
#include "data/planes.h"
#include "tensor/random.h"

/// Random bytes.
inline tsr::Image noise_image(int height, int width, int channels, std::uint64_t seed = 0) {
  tsr::Image image(height, width, channels);
  tsr::Generator generator(seed);
  tsr::RandomWords words(generator);
  for (auto& value : image.pixels) value = static_cast<std::uint8_t>(words.below(256));
  return image;
}

/// The image's values / 255 as planes.
inline tsr::Planes to_planes(const tsr::Image& image, tsr::PlaneBuffer& buffer) {
  const tsr::Planes planes = buffer.reshape(image.channels, image.height, image.width);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      for (int c = 0; c < image.channels; ++c)
        planes.row(c, y)[x] = static_cast<float>(image.at(y, x)[c]) / 255.f;
  return planes;
}
