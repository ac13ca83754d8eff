#pragma once
// Which input positions a pooling's windows cover, and which windows cover a position. For device code as
// well: constexpr.

#include <algorithm>
#include <cstdint>

#include "tensor/kernels.h"

namespace tsr {

/// Positions begin, begin + step, … below end.
struct Span {
  std::int64_t begin, end, step = 1;
};

/// One axis of a pooling: `in` positions, `out` windows.
struct PoolAxis {
  std::int64_t in, out, kernel, stride, pad, dilation;
  bool adaptive, count_pad;

  /// The input positions of a window, padding left out.
  constexpr Span inputs(std::int64_t window) const {
    if (adaptive) return {window * in / out, ((window + 1) * in + out - 1) / out};
    const std::int64_t first = window * stride - pad;
    const std::int64_t skipped = first < 0 ? (-first + dilation - 1) / dilation * dilation : 0;
    return {first + skipped, std::min(first + (kernel - 1) * dilation + 1, in), dilation};
  }
  /// The windows that reach over an input position; with dilation some may step over it.
  constexpr Span windows(std::int64_t position) const {
    if (adaptive) return {position * out / in, ((position + 1) * out + in - 1) / in};
    const std::int64_t padded = position + pad, reach = (kernel - 1) * dilation + 1;
    const std::int64_t first = padded < reach ? 0 : (padded - reach) / stride + 1;
    return {first, std::min(padded / stride + 1, out)};
  }
  /// How many positions a window's average is over.
  constexpr std::int64_t count(std::int64_t window) const {
    if (count_pad && !adaptive) return std::min(kernel, in + 2 * pad - window * stride);
    const Span covered = inputs(window);
    return covered.end - covered.begin;
  }
};

struct PoolGeometry {
  std::int64_t images, channels;
  PoolAxis h, w;

  PoolGeometry(const View& in, const View& out, const Pool2dParams& p, bool adaptive)
      : images(in.size[0]),
        channels(in.size[3]),
        h{in.size[1], out.size[1],  p.kernel_h, p.stride_h,
          p.pad_h,    p.dilation_h, adaptive,   p.count_include_pad},
        w{in.size[2], out.size[2],  p.kernel_w, p.stride_w,
          p.pad_w,    p.dilation_w, adaptive,   p.count_include_pad} {}

  constexpr std::int64_t input(std::int64_t image, std::int64_t ih, std::int64_t iw) const {
    return ((image * h.in + ih) * w.in + iw) * channels;
  }
  constexpr std::int64_t output(std::int64_t image, std::int64_t oh, std::int64_t ow) const {
    return ((image * h.out + oh) * w.out + ow) * channels;
  }
};

}  // namespace tsr
