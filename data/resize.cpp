#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "tensor/cpu/targets.h"
#include "tensor/error.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "data/resize.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tsr {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, kPlaneLanes>;
constexpr float kByte = 1 / 255.f;

/// out[j] = Σ_k weights[k] · (row k of `stride` bytes)[j]: one output row, channels still interleaved.
void blend_rows(const std::uint8_t* rows, std::size_t stride, const float* weights, int taps, float* out,
                std::size_t count) {
  const Floats d;
  const hn::Rebind<std::uint8_t, Floats> bytes;
  const hn::RebindToSigned<Floats> ints;
  const std::size_t lanes = hn::Lanes(d);
  auto blend = [&](std::size_t j) HWY_ATTR {
    auto sum = hn::Zero(d);
    const std::uint8_t* from = rows + j;
    for (int k = 0; k < taps; ++k, from += stride)
      sum = hn::MulAdd(hn::Set(d, weights[k]), hn::ConvertTo(d, hn::PromoteTo(ints, hn::LoadU(bytes, from))),
                       sum);
    hn::StoreU(hn::Mul(sum, hn::Set(d, kByte)), d, out + j);
  };
  if (count < lanes) {
    for (std::size_t j = 0; j < count; ++j) {
      float sum = 0;
      for (int k = 0; k < taps; ++k)
        sum += weights[k] * static_cast<float>(rows[static_cast<std::size_t>(k) * stride + j]);
      out[j] = sum * kByte;
    }
    return;
  }
  for (std::size_t j = 0; j + lanes <= count; j += lanes) blend(j);
  if (count % lanes != 0) blend(count - lanes);  // once more over some, rather than beyond the image
}

/// One output row of a grey image.
void blend_columns_grey(const float* row, const Taps& columns, float* out) {
  const float* weight = columns.weights.data();
  const std::size_t size = columns.first.size();
  if (columns.count == 2) {
    for (std::size_t x = 0; x < size; ++x, weight += 2) {
      const float* from = row + columns.first[x];
      out[x] = weight[0] * from[0] + weight[1] * from[1];
    }
    return;
  }
  for (std::size_t x = 0; x < size; ++x) {
    const float* from = row + columns.first[x];
    float sum = 0;
    for (int k = 0; k < columns.count; ++k) sum += *weight++ * from[k];
    out[x] = sum;
  }
}

/// One output row of a colour image, interleaved: each pixel is written as four lanes, of which the next
/// pixel overwrites the last. Both rows have room behind.
void blend_columns_rgb(const float* row, const Taps& columns, float* out) {
  const hn::CappedTag<float, 4> d;
  const float* weight = columns.weights.data();
  for (std::size_t x = 0; x < columns.first.size(); ++x, weight += columns.count) {
    // A single pass but for the target without vectors.
    for (std::size_t lane = 0; lane < 4; lane += hn::Lanes(d)) {
      const float* from = row + 3 * columns.first[x] + lane;
      auto sum = hn::Zero(d);
      for (int k = 0; k < columns.count; ++k)
        sum = hn::MulAdd(hn::Set(d, weight[k]), hn::LoadU(d, from + 3 * k), sum);
      hn::StoreU(sum, d, out + 3 * x + lane);
    }
  }
}

/// Interleaved pixels to planes, in whole vectors: `rgb` and the planes have room behind.
void split_planes(const float* rgb, const Planes& out, int y) {
  const Floats d;
  float* planes[3] = {out.row(0, y), out.row(1, y), out.row(2, y)};
  for (int x = 0; x < out.width; x += static_cast<int>(hn::Lanes(d))) {
    hn::Vec<Floats> r, g, b;
    hn::LoadInterleaved3(d, rgb + 3 * x, r, g, b);
    hn::StoreU(r, d, planes[0] + x);
    hn::StoreU(g, d, planes[1] + x);
    hn::StoreU(b, d, planes[2] + x);
  }
}

void resample_rows(const Image& image, const Taps& rows, const Taps& columns, const Planes& out,
                   std::vector<float>& scratch) {
  // Only the columns that some output reads.
  const auto [low, high] = std::minmax_element(columns.first.begin(), columns.first.end());
  const std::size_t channels = static_cast<std::size_t>(image.channels);
  const std::size_t skipped = static_cast<std::size_t>(*low) * channels;
  const std::size_t count = static_cast<std::size_t>(*high + columns.count) * channels - skipped;
  const std::size_t stride = static_cast<std::size_t>(image.width) * channels;
  const std::size_t room = 3 * kPlaneLanes;
  scratch.resize(skipped + count + room + 3 * static_cast<std::size_t>(out.width) + room);
  float* blended = scratch.data();
  float* pixels = blended + skipped + count + room;
  for (int y = 0; y < out.height; ++y) {
    const std::size_t tap = static_cast<std::size_t>(y) * static_cast<std::size_t>(rows.count);
    blend_rows(image.at(rows.first[static_cast<std::size_t>(y)], 0) + skipped, stride,
               rows.weights.data() + tap, rows.count, blended + skipped, count);
    if (out.channels == 1) {
      blend_columns_grey(blended, columns, out.row(0, y));
    } else {
      blend_columns_rgb(blended, columns, pixels);
      split_planes(pixels, out, y);
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
HWY_EXPORT(resample_rows);

void bilinear_taps(int offset, int in, int out, int begin, int size, bool reversed, Taps& taps) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  const float support = std::max(scale, 1.f), inverse = 1 / support;
  // The widest window that a triangle of this support can meet, the same for every output.
  taps.count = std::min(in, scale > 1 ? static_cast<int>(std::ceil(2 * support)) + 1 : 2);
  taps.first.resize(static_cast<std::size_t>(size));
  taps.weights.resize(static_cast<std::size_t>(size) * static_cast<std::size_t>(taps.count));
  for (int i = 0; i < size; ++i) {
    const float center = scale * (static_cast<float>(begin + i) + 0.5f);
    const int lowest = static_cast<int>(std::floor(center - support + 0.5f));
    const int first = std::clamp(lowest, 0, in - taps.count);
    const auto place = static_cast<std::size_t>(reversed ? size - 1 - i : i);
    float* weights = taps.weights.data() + place * static_cast<std::size_t>(taps.count);
    float total = 0;
    for (int k = 0; k < taps.count; ++k) {
      weights[k] = std::max(0.f, 1 - std::fabs(static_cast<float>(first + k) + 0.5f - center) * inverse);
      total += weights[k];
    }
    for (int k = 0; k < taps.count; ++k) weights[k] /= total;
    taps.first[place] = offset + first;
  }
}

void resample(const Image& image, const Taps& rows, const Taps& columns, Planes out) {
  TSR_CHECK(image.channels == out.channels && (out.channels == 1 || out.channels == 3),
            "resample: ", image.channels, " channels to ", out.channels,
            " where 1 to 1 or 3 to 3 was expected");
  TSR_CHECK(static_cast<int>(rows.first.size()) == out.height &&
                static_cast<int>(columns.first.size()) == out.width,
            "resample: taps for ", rows.first.size(), " x ", columns.first.size(), " pixels, planes of ",
            out.height, " x ", out.width);
  thread_local std::vector<float> scratch;
  HWY_DYNAMIC_DISPATCH(resample_rows)(image, rows, columns, out, scratch);
}

void crop_resize(const Image& image, const Box& box, bool flip, Planes out) {
  TSR_CHECK(box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 &&
                box.top + box.height <= image.height && box.left + box.width <= image.width,
            "crop_resize: a box of ", box.height, " x ", box.width, " at ", box.top, ", ", box.left,
            " in an image of ", image.height, " x ", image.width);
  thread_local Taps rows, columns;
  bilinear_taps(box.top, box.height, out.height, 0, out.height, false, rows);
  bilinear_taps(box.left, box.width, out.width, 0, out.width, flip, columns);
  resample(image, rows, columns, out);
}

}  // namespace tsr
#endif
