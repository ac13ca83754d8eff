#include "data/color.h"

#include <cstddef>

#include "tensor/cpu/targets.h"
#include "tensor/error.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "data/color.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tsr {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, kPlaneLanes>;
using Vec = hn::Vec<Floats>;

Vec clamp_unit(Vec x) {
  const Floats d;
  return hn::Min(hn::Max(x, hn::Zero(d)), hn::Set(d, 1));
}

Vec grey_of(Vec r, Vec g, Vec b) {
  const Floats d;
  return hn::MulAdd(hn::Set(d, 0.2989f), r,
                    hn::MulAdd(hn::Set(d, 0.587f), g, hn::Mul(hn::Set(d, 0.114f), b)));
}

/// Replaces every value; whole vectors, into the room behind the planes.
template <class Change>
void change_values(const Planes& image, Change change) {
  const Floats d;
  for (int c = 0; c < image.channels; ++c) {
    float* x = image.plane(c);
    for (std::size_t i = 0; i < image.pixels(); i += hn::Lanes(d))
      hn::StoreU(change(hn::LoadU(d, x + i)), d, x + i);
  }
}

/// Replaces every pixel of three channels: change(r, g, b) works on references.
template <class Change>
void change_pixels(const Planes& image, Change change) {
  const Floats d;
  for (std::size_t i = 0; i < image.pixels(); i += hn::Lanes(d)) {
    float *r = image.plane(0) + i, *g = image.plane(1) + i, *b = image.plane(2) + i;
    Vec red = hn::LoadU(d, r), green = hn::LoadU(d, g), blue = hn::LoadU(d, b);
    change(red, green, blue);
    hn::StoreU(red, d, r);
    hn::StoreU(green, d, g);
    hn::StoreU(blue, d, b);
  }
}

void brightness(const Planes& image, float factor) {
  const auto scale = hn::Set(Floats(), factor);
  change_values(image, [&](Vec x) HWY_ATTR { return clamp_unit(hn::Mul(x, scale)); });
}

float sum_of(const float* x, std::size_t count) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  auto sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) sum = hn::Add(sum, hn::LoadU(d, x + i));
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < count; ++i) total += x[i];
  return total;
}

void contrast(const Planes& image, float factor) {
  const std::size_t count = image.pixels();
  // The grey image's mean is the grey of the channels' means.
  float mean = sum_of(image.plane(0), count);
  if (image.channels == 3)
    mean = 0.2989f * mean + 0.587f * sum_of(image.plane(1), count) + 0.114f * sum_of(image.plane(2), count);
  mean /= static_cast<float>(count);
  const auto scale = hn::Set(Floats(), factor), shift = hn::Set(Floats(), (1 - factor) * mean);
  change_values(image, [&](Vec x) HWY_ATTR { return clamp_unit(hn::MulAdd(x, scale, shift)); });
}

void saturation(const Planes& image, float factor) {
  const auto scale = hn::Set(Floats(), factor), rest = hn::Set(Floats(), 1 - factor);
  change_pixels(image, [&](Vec& r, Vec& g, Vec& b) HWY_ATTR {
    const auto grey = hn::Mul(grey_of(r, g, b), rest);
    r = clamp_unit(hn::MulAdd(r, scale, grey));
    g = clamp_unit(hn::MulAdd(g, scale, grey));
    b = clamp_unit(hn::MulAdd(b, scale, grey));
  });
}

/// HSV back to one channel: value - chroma · clamp(min(k, 4 - k), 0, 1) with k = (n + sixths) mod 6, where n
/// is 5, 3, 1 for red, green, blue. It says the same as the usual six cases.
Vec from_hue(float n, Vec sixths, Vec value, Vec chroma) {
  const Floats d;
  const auto shifted = hn::Add(sixths, hn::Set(d, n));
  const auto turns = hn::Floor(hn::Mul(shifted, hn::Set(d, 1 / 6.f)));
  const auto k = hn::NegMulAdd(turns, hn::Set(d, 6), shifted);
  return hn::NegMulAdd(chroma, clamp_unit(hn::Min(k, hn::Sub(hn::Set(d, 4), k))), value);
}

void hue(const Planes& image, float turn) {
  const Floats d;
  const auto turned = hn::Set(d, 6 * turn), zero = hn::Zero(d);
  change_pixels(image, [&](Vec& r, Vec& g, Vec& b) HWY_ATTR {
    const auto value = hn::Max(r, hn::Max(g, b));
    const auto chroma = hn::Sub(value, hn::Min(r, hn::Min(g, b)));
    const auto inverse = hn::IfThenElse(hn::Gt(chroma, zero), hn::Div(hn::Set(d, 1), chroma), zero);
    const auto red = hn::Mul(hn::Sub(g, b), inverse);
    const auto green = hn::MulAdd(hn::Sub(b, r), inverse, hn::Set(d, 2));
    const auto blue = hn::MulAdd(hn::Sub(r, g), inverse, hn::Set(d, 4));
    const auto sixths =
        hn::Add(turned, hn::IfThenElse(hn::Eq(r, value), red, hn::IfThenElse(hn::Eq(g, value), green, blue)));
    r = clamp_unit(from_hue(5, sixths, value, chroma));
    g = clamp_unit(from_hue(3, sixths, value, chroma));
    b = clamp_unit(from_hue(1, sixths, value, chroma));
  });
}

void grey(const Planes& image) {
  change_pixels(image, [](Vec& r, Vec& g, Vec& b) HWY_ATTR { r = g = b = grey_of(r, g, b); });
}

void invert_above(const Planes& image, float threshold) {
  const auto limit = hn::Set(Floats(), threshold), one = hn::Set(Floats(), 1);
  change_values(image, [&](Vec x) HWY_ATTR { return hn::IfThenElse(hn::Ge(x, limit), hn::Sub(one, x), x); });
}

void store(const Planes& image, const float* scale, const float* shift, float* out) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d), channels = static_cast<std::size_t>(image.channels),
                    count = image.pixels();
  std::size_t i = 0;
  auto normalized = [&](std::size_t c) HWY_ATTR {
    return hn::MulAdd(hn::LoadU(d, image.plane(static_cast<int>(c)) + i), hn::Set(d, scale[c]),
                      hn::Set(d, shift[c]));
  };
  for (; i + lanes <= count; i += lanes) {
    if (channels == 1) {
      hn::StoreU(normalized(0), d, out + i);
    } else {
      hn::StoreInterleaved3(normalized(0), normalized(1), normalized(2), d, out + 3 * i);
    }
  }
  for (; i < count; ++i)
    for (std::size_t c = 0; c < channels; ++c)
      out[i * channels + c] = image.plane(static_cast<int>(c))[i] * scale[c] + shift[c];
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
HWY_EXPORT(brightness);
HWY_EXPORT(contrast);
HWY_EXPORT(saturation);
HWY_EXPORT(hue);
HWY_EXPORT(grey);
HWY_EXPORT(invert_above);
HWY_EXPORT(store);

void adjust_brightness(const Planes& image, float factor) { HWY_DYNAMIC_DISPATCH(brightness)(image, factor); }

void adjust_contrast(const Planes& image, float factor) { HWY_DYNAMIC_DISPATCH(contrast)(image, factor); }

void adjust_saturation(const Planes& image, float factor) {
  if (image.channels == 3) HWY_DYNAMIC_DISPATCH(saturation)(image, factor);
}

void adjust_hue(const Planes& image, float turn) {
  if (image.channels == 3) HWY_DYNAMIC_DISPATCH(hue)(image, turn);
}

void make_grey(const Planes& image) {
  if (image.channels == 3) HWY_DYNAMIC_DISPATCH(grey)(image);
}

void solarize(const Planes& image, float threshold) { HWY_DYNAMIC_DISPATCH(invert_above)(image, threshold); }

void store_normalized(const Planes& image, const std::array<float, 3>& mean, const std::array<float, 3>& std,
                      float* out) {
  TSR_CHECK(image.channels == 1 || image.channels == 3, "store_normalized: ", image.channels,
            " channels where 1 or 3 were expected");
  std::array<float, 3> scale{}, shift{};
  for (std::size_t c = 0; c < 3; ++c) {
    scale[c] = 1 / std[c];
    shift[c] = -mean[c] * scale[c];
  }
  HWY_DYNAMIC_DISPATCH(store)(image, scale.data(), shift.data(), out);
}

}  // namespace tsr
#endif
