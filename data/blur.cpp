#include "data/blur.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "tensor/cpu/targets.h"
#include "tensor/error.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "data/blur.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tsr {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, kPlaneLanes>;

/// out[x] = Σ_k weights[|k|] · row_k[x] for k in -radius…radius, where rows[k + radius] points to row_k.
/// Writes whole vectors.
void blend(const float* const* rows, const float* weights, int radius, float* out, std::size_t count) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  auto center = [&](std::size_t x)
                    HWY_ATTR { return hn::Mul(hn::Set(d, weights[0]), hn::LoadU(d, rows[radius] + x)); };
  auto add_pair = [&](int k, std::size_t x, hn::Vec<Floats>& sum) HWY_ATTR {
    const auto pair = hn::Add(hn::LoadU(d, rows[radius - k] + x), hn::LoadU(d, rows[radius + k] + x));
    sum = hn::MulAdd(hn::Set(d, weights[k]), pair, sum);
  };
  std::size_t x = 0;
  // Four sums at once, since each must wait for its last addition.
  for (; x + 4 * lanes <= count; x += 4 * lanes) {
    auto sum0 = center(x), sum1 = center(x + lanes), sum2 = center(x + 2 * lanes),
         sum3 = center(x + 3 * lanes);
    for (int k = 1; k <= radius; ++k) {
      add_pair(k, x, sum0);
      add_pair(k, x + lanes, sum1);
      add_pair(k, x + 2 * lanes, sum2);
      add_pair(k, x + 3 * lanes, sum3);
    }
    hn::StoreU(sum0, d, out + x);
    hn::StoreU(sum1, d, out + x + lanes);
    hn::StoreU(sum2, d, out + x + 2 * lanes);
    hn::StoreU(sum3, d, out + x + 3 * lanes);
  }
  for (; x < count; x += lanes) {
    auto sum = center(x);
    for (int k = 1; k <= radius; ++k) add_pair(k, x, sum);
    hn::StoreU(sum, d, out + x);
  }
}

/// 0…size-1 from an index up to size-1 beyond either end.
int reflect(int i, int size) { return i < 0 ? -i : i >= size ? 2 * size - 2 - i : i; }

void blur_plane(float* plane, int height, int width, const float* weights, int radius, float* line,
                float* scratch, const float** rows) {
  const auto row_size = static_cast<std::size_t>(width);
  for (int y = 0; y < height; ++y) {
    const float* from = plane + static_cast<std::size_t>(y) * row_size;
    for (int k = 1; k <= radius; ++k) {
      line[radius - k] = from[reflect(-k, width)];
      line[radius + width - 1 + k] = from[reflect(width - 1 + k, width)];
    }
    std::copy_n(from, width, line + radius);
    for (int k = 0; k <= 2 * radius; ++k) rows[k] = line + k;
    blend(rows, weights, radius, scratch + static_cast<std::size_t>(y) * row_size, row_size);
  }
  for (int y = 0; y < height; ++y) {
    for (int k = -radius; k <= radius; ++k)
      rows[k + radius] = scratch + static_cast<std::size_t>(reflect(y + k, height)) * row_size;
    blend(rows, weights, radius, plane + static_cast<std::size_t>(y) * row_size, row_size);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

/// The centre's weight and those to one side; all 2·radius + 1 add up to 1.
std::vector<float> half_gaussian(int radius, float sigma) {
  std::vector<float> weights;
  float total = 0;
  for (int k = 0; k <= radius; ++k) {
    const float z = static_cast<float>(k) / sigma;
    weights.push_back(std::exp(-0.5f * z * z));
    total += (k == 0 ? 1.f : 2.f) * weights.back();
  }
  for (float& weight : weights) weight /= total;
  return weights;
}

}  // namespace

HWY_EXPORT(blur_plane);

void gaussian_blur(const Planes& image, int radius, float sigma) {
  TSR_CHECK(sigma > 0 && radius >= 0 && radius < std::min(image.height, image.width), "gaussian_blur: sigma ",
            sigma, " must be positive, and radius ", radius, " below the sides of ", image.height, " x ",
            image.width, " pixels");
  thread_local std::vector<float> line, scratch;
  thread_local std::vector<const float*> rows;
  line.resize(static_cast<std::size_t>(image.width + 2 * radius) + kPlaneLanes);
  scratch.resize(image.pixels() + kPlaneLanes);
  rows.resize(2 * static_cast<std::size_t>(radius) + 1);
  const std::vector<float> weights = half_gaussian(radius, sigma);
  const auto& blur = HWY_DYNAMIC_DISPATCH(blur_plane);
  for (int c = 0; c < image.channels; ++c)
    blur(image.plane(c), image.height, image.width, weights.data(), radius, line.data(), scratch.data(),
         rows.data());
}

}  // namespace tsr
#endif
