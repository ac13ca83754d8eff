// Views of images by recipes that the host has drawn (tensor/view_recipe.h): the steps of make_view in its
// order, each for all images at once. What a step doesn't do to an image, its threads leave.

#include "cuda/elements.h"
#include "cuda/numeric.h"
#include "cuda/reduce.h"
#include "tensor/context.h"
#include "tensor/view_recipe.h"

namespace tsr::TSR_BACKEND {
namespace {

/// Images, recipes and the views that they make: [N, size, size, channels].
struct Views {
  const std::uint8_t* pixels;
  const std::int64_t* places;
  const ViewRecipe* recipes;
  std::int64_t count;
  int size, channels;
  float *values, *scratch;

  __host__ __device__ std::int64_t pixels_each() const { return std::int64_t{size} * size; }
};

/// A pixel of a view.
struct ViewPixel {
  std::int64_t view, index;
  int y, x;
  __device__ ViewPixel(const Views& views, std::int64_t i)
      : view(i / views.pixels_each()),
        index(i),
        y(static_cast<int>(i % views.pixels_each()) / views.size),
        x(static_cast<int>(i % views.pixels_each()) % views.size) {}
};

/// The samples that an output of a resized axis is made of: bilinear_taps of data/resize.h for one output.
struct ResizeTaps {
  int first, count;
  float center, inverse, total;

  __device__ ResizeTaps(int output, int in, int out) {
    const float scale = static_cast<float>(in) / static_cast<float>(out), support = scale > 1 ? scale : 1;
    const int widest = scale > 1 ? static_cast<int>(ceilf(2 * support)) + 1 : 2;
    count = widest < in ? widest : in;
    center = scale * (static_cast<float>(output) + 0.5f), inverse = 1 / support;
    const auto lowest = static_cast<int>(floorf(center - support + 0.5f));
    first = lowest < 0 ? 0 : lowest > in - count ? in - count : lowest;
    total = 0;
    for (int k = 0; k < count; ++k) total += triangle(k);
  }
  __device__ float triangle(int k) const {
    const float height = 1 - fabsf(static_cast<float>(first + k) + 0.5f - center) * inverse;
    return height > 0 ? height : 0;
  }
  __device__ float weight(int k) const { return triangle(k) / total; }
};

/// Crops and resizes, bytes to 0 … 1: a thread a pixel of a view.
__global__ void crop_resize_kernel(std::int64_t count, Views views) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const ViewPixel at(views, i);
  const ViewRecipe& recipe = views.recipes[at.view];
  const std::int64_t* place = views.places + 3 * at.view;
  const ResizeTaps rows(at.y, static_cast<int>(recipe.height), views.size),
      columns(recipe.flip != 0 ? views.size - 1 - at.x : at.x, static_cast<int>(recipe.width), views.size);
  const std::int64_t top = static_cast<int>(recipe.top) + rows.first,
                     left = static_cast<int>(recipe.left) + columns.first, pitch = place[2] * views.channels;
  const std::uint8_t* corner = views.pixels + place[0] + top * pitch + left * views.channels;
  for (int c = 0; c < views.channels; ++c) {
    float sum = 0;
    for (int k = 0; k < columns.count; ++k) {
      float column = 0;
      for (int j = 0; j < rows.count; ++j)
        column += rows.weight(j) * static_cast<float>(corner[j * pitch + k * views.channels + c]);
      sum += columns.weight(k) * (column * (1 / 255.f));
    }
    views.values[at.index * views.channels + c] = sum;
  }
}

__device__ float unit(float x) { return x < 0 ? 0 : x > 1 ? 1 : x; }
__device__ float grey_of(const float* p) { return 0.2989f * p[0] + (0.587f * p[1] + 0.114f * p[2]); }

/// data/color.cpp's: value - chroma · clamp(min(k, 4 - k)), k = (n + sixths) mod 6.
__device__ float from_hue(float n, float sixths, float value, float chroma) {
  const float shifted = sixths + n, k = shifted - floorf(shifted * (1 / 6.f)) * 6, other = 4 - k;
  return unit(value - chroma * unit(k < other ? k : other));
}
__device__ void turn_hue(float* p, float turn) {
  const float r = p[0], g = p[1], b = p[2], value = fmaxf(r, fmaxf(g, b)),
              chroma = value - fminf(r, fminf(g, b));
  const float inverse = chroma > 0 ? 1 / chroma : 0;
  const float sixths = 6 * turn + (r == value   ? (g - b) * inverse
                                   : g == value ? (b - r) * inverse + 2
                                                : (r - g) * inverse + 4);
  p[0] = from_hue(5, sixths, value, chroma);
  p[1] = from_hue(3, sixths, value, chroma);
  p[2] = from_hue(1, sixths, value, chroma);
}

/// A block's image: its threads share the pixels, and keep to their own from step to step.
struct BlockImage {
  float* values;
  std::int64_t pixels;
  int channels;

  template <class Change>
  __device__ void change_pixels(const Change& change) const {
    for (std::int64_t i = threadIdx.x; i < pixels; i += blockDim.x) change(values + i * channels);
  }
  template <class Change>
  __device__ void change_values(const Change& change) const {
    change_pixels([&](float* p) {
      for (int c = 0; c < channels; ++c) p[c] = change(p[c]);
    });
  }
  __device__ float mean_grey() const {
    return reduce_over(pixels, Sum{},
                       [&](std::int64_t i) {
                         const float* p = values + i * channels;
                         return channels == 3 ? grey_of(p) : *p;
                       }) /
           static_cast<float>(pixels);
  }
};

__device__ void jitter_step(const BlockImage& image, int step, const ViewRecipe& recipe) {
  if (step == 0) {
    image.change_values([&](float x) { return unit(x * recipe.brightness); });
  } else if (step == 1) {
    const float shift = (1 - recipe.contrast) * image.mean_grey();
    image.change_values([&](float x) { return unit(fmaf(x, recipe.contrast, shift)); });
  } else if (image.channels == 3 && step == 2) {
    image.change_pixels([&](float* p) {
      const float grey = grey_of(p) * (1 - recipe.saturation);
      for (int c = 0; c < 3; ++c) p[c] = unit(fmaf(p[c], recipe.saturation, grey));
    });
  } else if (image.channels == 3) {
    image.change_pixels([&](float* p) { turn_hue(p, recipe.hue); });
  }
}

/// Jitter and grey: a block an image.
__global__ void color_kernel(Views views) {
  const ViewRecipe& recipe = views.recipes[blockIdx.x];
  const BlockImage image{views.values + blockIdx.x * views.pixels_each() * views.channels,
                         views.pixels_each(), views.channels};
  if (recipe.order >= 0)
    for (int i = 0; i < 4; ++i) jitter_step(image, recipe.step(i), recipe);
  if (recipe.grey != 0 && views.channels == 3)
    image.change_pixels([](float* p) { p[0] = p[1] = p[2] = grey_of(p); });
}

/// Σ weight(k) · at(k) over -radius … radius, of a Gaussian of this sigma.
template <class At>
__device__ float blurred(int radius, float sigma, const At& at) {
  float sum = 0, total = 0;
  for (int k = -radius; k <= radius; ++k) {
    const float z = static_cast<float>(k) / sigma, weight = expf(-0.5f * z * z);
    sum += weight * at(k);
    total += weight;
  }
  return sum / total;
}
/// 0 … size-1 from an index up to size-1 beyond either end.
__device__ int reflect(int i, int size) { return i < 0 ? -i : i >= size ? 2 * size - 2 - i : i; }

/// Blurs along rows, into the scratch.
__global__ void blur_rows_kernel(std::int64_t count, Views views, int radius) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const ViewPixel at(views, i);
  const float sigma = views.recipes[at.view].sigma;
  if (sigma == 0) return;
  for (int c = 0; c < views.channels; ++c)
    views.scratch[i * views.channels + c] = blurred(radius, sigma, [&](int k) {
      return views.values[(i + reflect(at.x + k, views.size) - at.x) * views.channels + c];
    });
}

__device__ float of_channel(const float4& all, int c) { return c == 0 ? all.x : c == 1 ? all.y : all.z; }

/// Blurs along columns, solarises and normalises.
template <class T>
__global__ void finish_views_kernel(std::int64_t count, Views views, ViewSettings settings, float4 scales,
                                    float4 shifts, T* out) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const ViewPixel at(views, i);
  const ViewRecipe& recipe = views.recipes[at.view];
  for (int c = 0; c < views.channels; ++c) {
    float value = views.values[i * views.channels + c];
    if (recipe.sigma > 0)
      value = blurred(settings.blur_radius, recipe.sigma, [&](int k) {
        const std::int64_t row = reflect(at.y + k, views.size) - at.y;
        return views.scratch[(i + row * views.size) * views.channels + c];
      });
    if (recipe.solarize != 0 && value >= settings.solarize_threshold) value = 1 - value;
    out[i * views.channels + c] = narrow<T>(fmaf(value, of_channel(scales, c), of_channel(shifts, c)));
  }
}

template <class T>
void augment(Context& context, View out, View pixels, View places, View recipes,
             const ViewSettings& settings) {
  const auto values = static_cast<std::size_t>(out.numel());
  if (values == 0) return;
  const Views views{pixels.as<std::uint8_t>(),
                    places.as<std::int64_t>(),
                    reinterpret_cast<const ViewRecipe*>(recipes.as<float>()),
                    out.size[0],
                    static_cast<int>(out.size[1]),
                    static_cast<int>(out.size[3]),
                    context.workspace_of<float>(values),
                    context.workspace_of<float>(values)};
  const std::int64_t count = views.count * views.pixels_each();
  launch_elements<crop_resize_kernel>(count, views);
  launch<color_kernel>(
      {.grid = {static_cast<unsigned>(views.count)}, .block = {reduce_threads(views.pixels_each())}},
      current_stream(), views);
  launch_elements<blur_rows_kernel>(count, views, settings.blur_radius);
  float4 scales{1 / settings.std[0], 1 / settings.std[1], 1 / settings.std[2], 0};
  float4 shifts{-settings.mean[0] * scales.x, -settings.mean[1] * scales.y, -settings.mean[2] * scales.z, 0};
  launch_elements<finish_views_kernel<T>>(count, views, settings, scales, shifts, out.as<T>());
}

TSR_DEVICE_KERNEL(augment_views, augment, float);

}  // namespace
}  // namespace tsr::TSR_BACKEND
