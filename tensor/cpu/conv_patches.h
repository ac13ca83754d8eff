// Packers that read a convolution's operands from where they lie.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tensor/cpu/gemm.h"

namespace tsr::cpu {

/// The pixels of a batch of images as the rows of a matrix, in one of two orders.
struct PixelOrder {
  std::int64_t images, height, width;
  /// Same pixel of all images together: a block of rows then shares its taps, and those that fall in the
  /// padding are skipped. Otherwise image by image.
  bool position_major;

  struct Pixel {
    std::int64_t image, y, x;
  };

  std::int64_t count() const { return images * height * width; }
  Pixel at(std::int64_t row) const {
    const std::int64_t area = height * width;
    const std::int64_t image = position_major ? row % images : row / area;
    const std::int64_t position = position_major ? row / images : row % area;
    return {image, position / width, position % width};
  }
  /// Rows from `row` on, at most `limit`, that differ in one coordinate only: the image, or x.
  std::int64_t span(const Pixel& pixel, std::int64_t limit) const {
    return std::min(limit, position_major ? images - pixel.image : width - pixel.x);
  }
};

/// Whether to take a product's pixels position-major, for images at most `widest` wide. Small images have the
/// larger share of taps in the padding, and there must be enough channels that one tap is worth a block of
/// depth.
bool prefer_position_major(std::int64_t images, std::int64_t width, std::int64_t widest, std::int64_t taps,
                           std::int64_t channels);
/// `widest` where pixels are the product's rows; and where they are its depth, whose blocks then hold one
/// position each and so grow short.
inline constexpr std::int64_t kWidestRows = 16, kWidestDepth = 8;

/// Where pixels lie in memory: pixel (n, y, x) at offset + ((n·image_height + y·step_y)·image_width +
/// x·step_x)·stride.
struct PixelMap {
  PixelOrder order;
  std::int64_t image_height, image_width, stride;
  std::int64_t step_y = 1, step_x = 1, offset = 0;

  /// Elements between neighbours in a span.
  std::int64_t span_step() const {
    return order.position_major ? image_height * image_width * stride : step_x * stride;
  }
  std::int64_t at(const PixelOrder::Pixel& pixel) const {
    return offset +
           ((pixel.image * image_height + pixel.y * step_y) * image_width + pixel.x * step_x) * stride;
  }
};

/// Output::offsets for rows that are pixels; state is a PixelMap.
void pixel_offsets(const void* map, std::int64_t row, std::int64_t rows, std::int64_t* result);

/// Patches of an image as a matrix: row = pixel of `order`, column = (tap row, tap column, channel). Tap (a,
/// b) of pixel (y, x) reads image pixel (y·stride_h + tap_y[a], x·stride_w + tap_x[b]), zero outside the
/// image.
template <class S>
struct Patches {
  const S* image;
  PixelOrder order;
  std::int64_t height, width, channels;
  std::int64_t pixel_stride;  ///< elements from a pixel to the next; more than `channels` for a group
  std::int64_t stride_h, stride_w;
  std::vector<std::int64_t> tap_y, tap_x;

  std::int64_t columns() const { return static_cast<std::int64_t>(tap_y.size() * tap_x.size()) * channels; }
};

/// Patches as A [pixels, taps·channels] or as B [pixels, taps·channels] of a product. These and the operands
/// below widen 16-bit elements as they pack them.
template <class S>
OperandA<Compute<S>> patches_a(const Patches<S>& patches);
template <class S>
OperandB<Compute<S>> patches_b(const Patches<S>& patches);

/// Channels of pixels as A [channels, pixels].
template <class S>
struct PixelColumns {
  const S* data;
  PixelMap map;
};
template <class S>
OperandA<Compute<S>> pixel_columns_a(const PixelColumns<S>& columns);

/// Weights [out, taps, channels] as B [(tap row, tap column, out), channels], for some taps in any order.
template <class S>
struct TapWeights {
  const S* weight;
  std::int64_t outputs, channels, kernel_h, kernel_w;
  std::vector<std::int64_t> tap_row, tap_col;
};
template <class S>
OperandB<Compute<S>> tap_weights_b(const TapWeights<S>& weights);

}  // namespace tsr::cpu
