#pragma once
// Bilinear resampling with antialiasing, fused with crop and flip.

#include <vector>

#include "data/image.h"
#include "data/planes.h"

namespace tsr {

/// A rectangle of pixels.
struct Box {
  int top = 0, left = 0, height = 0, width = 0;
};

/// How one axis is resampled: output i = Σ_k weights[i·count + k] · input[first[i] + k].
struct Taps {
  int count = 0;
  std::vector<int> first;
  std::vector<float> weights;
};

/// The taps of outputs begin … begin+size-1 of a resize of `in` samples, which start at `offset`, to `out`: a
/// triangle filter, widened by in/out when it shrinks (as torch.nn.functional.interpolate(mode="bilinear",
/// antialias=True), and Pillow's BILINEAR). `reversed` mirrors the outputs. Writes into `taps`.
void bilinear_taps(int offset, int in, int out, int begin, int size, bool reversed, Taps& taps);

/// Resamples an image by the taps of its rows and columns into planes of the taps' sizes; bytes 0…255 become
/// 0…1. Never rounds to bytes in between, unlike Pillow.
void resample(const Image& image, const Taps& rows, const Taps& columns, Planes out);

/// Cuts a box out of an image, resizes it to the planes' size, and mirrors it left to right when `flip`. The
/// box must lie within the image.
void crop_resize(const Image& image, const Box& box, bool flip, Planes out);

}  // namespace tsr
