// Sampling images at given places, and the gradients of image and places. One launch finds the pixels that
// each place meets, in double as the CPU does; the others are about channels alone.
//
// Any number of places may meet a pixel. A thread of the image's gradient owns every so many-th row of one
// channel and goes over all places of its image in order: nothing is added atomically, at the price of
// reading each place's taps once for every band of rows.

#include "cuda/elements.h"
#include "cuda/numeric.h"
#include "cuda/reduce.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

/// A coordinate in pixels, and its derivative.
struct Coordinate {
  double at, slope;
};

/// -1 … 1 in pixels of an axis of `size`.
__device__ Coordinate in_pixels(double coordinate, double size, bool align_corners) {
  // Far outside is as good as infinitely far, and as not a number.
  constexpr double kFar = 1e9;
  if (!(fabs(coordinate) < kFar)) coordinate = coordinate > 0 ? kFar : -kFar;
  if (align_corners) return {(coordinate + 1) / 2 * (size - 1), (size - 1) / 2};
  return {((coordinate + 1) * size - 1) / 2, size / 2};
}

__device__ Coordinate clip(Coordinate c, double size) {
  if (c.at <= 0) return {0, 0};
  return c.at >= size - 1 ? Coordinate{size - 1, 0} : c;
}

/// Mirrors at the centres (align_corners) or outer edges of the border pixels, until inside.
__device__ Coordinate reflect(Coordinate c, double size, bool align_corners) {
  const double low = align_corners ? 0 : -0.5, span = align_corners ? size - 1 : size;
  if (span == 0) return {0, 0};
  const double distance = fabs(c.at - low), sign = c.at < low ? -1 : 1;
  const double turns = floor(distance / span), extra = fmod(distance, span);
  const bool flipped = fmod(turns, 2.0) != 0;
  return flipped ? Coordinate{span - extra + low, -sign * c.slope} : Coordinate{extra + low, sign * c.slope};
}

__device__ Coordinate pad(Coordinate c, double size, const GridSampleParams& p) {
  if (p.padding == SamplePadding::zeros) return c;
  return clip(p.padding == SamplePadding::reflection ? reflect(c, size, p.align_corners) : c, size);
}

/// The pixels that a coordinate meets along an axis, their weights, and the weights' derivatives. Those
/// outside are left out.
struct AxisTaps {
  int count;
  std::int32_t pixel[4];
  float weight[4], slope[4];

  __device__ void add(double position, double size, double w, double s) {
    if (!(position >= 0 && position < size)) return;
    pixel[count] = static_cast<std::int32_t>(position);
    weight[count] = static_cast<float>(w);
    slope[count++] = static_cast<float>(s);
  }
};

struct PlaceTaps {
  AxisTaps rows, columns;
};

/// Keys' cubic kernel with a = -0.75 at distance x (weight), and its derivative (slope, as `slope`).
__device__ Coordinate cubic(double x) {
  constexpr double a = -0.75;
  const double d = fabs(x), sign = x < 0 ? -1 : 1;
  if (d < 1) return {((a + 2) * d - (a + 3)) * d * d + 1, sign * (3 * (a + 2) * d - 2 * (a + 3)) * d};
  return {((d - 5) * d + 8) * d * a - 4 * a, sign * ((3 * d - 10) * d + 8) * a};
}

__device__ void find_taps(double coordinate, double size, const GridSampleParams& p, AxisTaps& taps) {
  taps.count = 0;
  const Coordinate raw = in_pixels(coordinate, size, p.align_corners);
  if (p.mode == Interpolation::bicubic) {
    const double base = floor(raw.at);
    for (int k = -1; k <= 2; ++k) {
      const Coordinate kernel = cubic(raw.at - (base + k));
      taps.add(pad({base + k, 0}, size, p).at, size, kernel.at, kernel.slope * raw.slope);
    }
    return;
  }
  const Coordinate c = pad(raw, size, p);
  if (p.mode == Interpolation::nearest) return taps.add(nearbyint(c.at), size, 1, 0);
  const double base = floor(c.at), part = c.at - base;
  taps.add(base, size, 1 - part, -c.slope);
  taps.add(base + 1, size, part, c.slope);
}

struct SampleShape {
  std::int64_t images, height, width, channels, places;  ///< places of an image

  SampleShape(const View& x, const View& grid)
      : images(x.size[0]),
        height(x.size[1]),
        width(x.size[2]),
        channels(x.size[3]),
        places(grid.size[1] * grid.size[2]) {}
};

template <class T>
__global__ void taps_kernel(std::int64_t count, SampleShape s, GridSampleParams p, const T* grid,
                            PlaceTaps* taps) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  find_taps(widen(grid[2 * i + 1]), static_cast<double>(s.height), p, taps[i].rows);
  find_taps(widen(grid[2 * i]), static_cast<double>(s.width), p, taps[i].columns);
}

template <class T>
__global__ void sample_kernel(std::int64_t count, SampleShape s, const PlaceTaps* taps, const T* x, T* y) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const std::int64_t place = i / s.channels;
  const T* image = x + place / s.places * s.height * s.width * s.channels + i % s.channels;
  const AxisTaps &rows = taps[place].rows, &columns = taps[place].columns;
  float sum = 0;
  for (int a = 0; a < rows.count; ++a)
    for (int b = 0; b < columns.count; ++b)
      sum += rows.weight[a] * columns.weight[b] *
             widen(image[(rows.pixel[a] * s.width + columns.pixel[b]) * s.channels]);
  y[i] = narrow<T>(sum);
}

/// How a block is shared out: thread t serves channel t % lanes of the block's slice, and the rows t / lanes,
/// t / lanes + bands, …
struct Bands {
  static constexpr int kThreads = 256;

  int lanes = 1, bands;
  std::int64_t slices;

  explicit Bands(std::int64_t channels) {
    while (lanes < channels && lanes < 32) lanes *= 2;
    bands = kThreads / lanes;
    slices = (channels + lanes - 1) / lanes;
  }
};

/// sums [images, height, width, channels] is grad_x itself where that is float.
template <class T>
__global__ void image_grad_kernel(SampleShape s, Bands by, const PlaceTaps* taps, const T* grad, float* sums,
                                  T* grad_x) {
  const std::int64_t image = blockIdx.x / by.slices;
  const std::int64_t channel = blockIdx.x % by.slices * by.lanes + threadIdx.x % by.lanes;
  const int band = static_cast<int>(threadIdx.x) / by.lanes;
  if (channel >= s.channels) return;
  const auto at = [&](std::int64_t row, std::int64_t column) {
    return ((image * s.height + row) * s.width + column) * s.channels + channel;
  };
  for (std::int64_t row = band; row < s.height; row += by.bands)
    for (std::int64_t column = 0; column < s.width; ++column) sums[at(row, column)] = 0;
  for (std::int64_t place = image * s.places; place < (image + 1) * s.places; ++place) {
    const AxisTaps &rows = taps[place].rows, &columns = taps[place].columns;
    for (int a = 0; a < rows.count; ++a) {
      if (rows.pixel[a] % by.bands != band) continue;
      const float upstream = rows.weight[a] * widen(grad[place * s.channels + channel]);
      for (int b = 0; b < columns.count; ++b)
        sums[at(rows.pixel[a], columns.pixel[b])] += columns.weight[b] * upstream;
    }
  }
  if constexpr (!std::is_same_v<T, float>) {
    for (std::int64_t row = band; row < s.height; row += by.bands)
      for (std::int64_t column = 0; column < s.width; ++column)
        grad_x[at(row, column)] = narrow<T>(sums[at(row, column)]);
  }
}

/// A warp a place: the pixels seen along upstream, weighted by how the taps' weights change.
template <class T>
__global__ void place_grad_kernel(std::int64_t threads, SampleShape s, const PlaceTaps* taps, const T* grad,
                                  const T* x, T* grad_grid) {
  const std::int64_t place = element_index() / 32;
  if (element_index() >= threads) return;
  const T *image = x + place / s.places * s.height * s.width * s.channels, *up = grad + place * s.channels;
  const AxisTaps &rows = taps[place].rows, &columns = taps[place].columns;
  float by_x = 0, by_y = 0;
  for (int a = 0; a < rows.count; ++a)
    for (int b = 0; b < columns.count; ++b) {
      const T* pixel = image + (rows.pixel[a] * s.width + columns.pixel[b]) * s.channels;
      float seen = 0;
      for (std::int64_t c = threadIdx.x % 32; c < s.channels; c += 32) seen += widen(up[c]) * widen(pixel[c]);
      by_x += seen * rows.weight[a] * columns.slope[b];
      by_y += seen * rows.slope[a] * columns.weight[b];
    }
  by_x = warp_reduce(by_x, Sum{});
  by_y = warp_reduce(by_y, Sum{});
  if (threadIdx.x % 32 == 0) {
    grad_grid[2 * place] = narrow<T>(by_x);
    grad_grid[2 * place + 1] = narrow<T>(by_y);
  }
}

template <class T>
const PlaceTaps* taps_of(Context& context, const SampleShape& s, const View& grid,
                         const GridSampleParams& p) {
  const std::int64_t places = s.images * s.places;
  auto* taps = context.workspace_of<PlaceTaps>(static_cast<std::size_t>(places));
  launch_elements<taps_kernel<T>>(places, s, p, static_cast<const T*>(grid.as<T>()), taps);
  return taps;
}

template <class T>
void grid_sample_forward(Context& context, View x, View grid, View y, const GridSampleParams& p) {
  const SampleShape s(x, grid);
  launch_elements<sample_kernel<T>>(y.numel(), s, taps_of<T>(context, s, grid, p), x.as<T>(), y.as<T>());
}

template <class T>
void image_gradient(Context& context, const SampleShape& s, const PlaceTaps* taps, const View& grad,
                    const View& grad_x) {
  const Bands by(s.channels);
  const std::int64_t blocks = s.images * by.slices;
  if (blocks == 0) return;
  float* sums;
  if constexpr (std::is_same_v<T, float>) {
    sums = grad_x.as<float>();
  } else {
    sums = context.workspace_of<float>(static_cast<std::size_t>(grad_x.numel()));
  }
  launch<image_grad_kernel<T>>({.grid = {static_cast<unsigned>(blocks)}, .block = {Bands::kThreads}},
                               current_stream(), s, by, taps, grad.as<T>(), sums, grad_x.as<T>());
}

template <class T>
void grid_sample_backward(Context& context, View grad, View x, View grid, View grad_x, View grad_grid,
                          const GridSampleParams& p) {
  const SampleShape s(x, grid);
  const PlaceTaps* taps = taps_of<T>(context, s, grid, p);
  if (grad_x.data != nullptr) image_gradient<T>(context, s, taps, grad, grad_x);
  if (grad_grid.data != nullptr)
    launch_elements<place_grad_kernel<T>>(s.images * s.places * 32, s, taps, grad.as<T>(), x.as<T>(),
                                          grad_grid.as<T>());
}

TSR_DEVICE_KERNEL(grid_sample_fwd, grid_sample_forward, float, BFloat16, Float16);
TSR_DEVICE_KERNEL(grid_sample_bwd, grid_sample_backward, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
