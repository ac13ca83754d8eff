// Sampling images at given places, and the gradients of image and places. The image's gradient is gathered by
// slices of channels of one image each, inside which the places are taken in order: no two threads meet.
#include <algorithm>
#include <cmath>

#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/grid_sample.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// compiled per target and so follows highway.h
#include "tensor/cpu/lanes-inl.h"

#ifndef TESSERA_GRID_SAMPLE_TAPS
#define TESSERA_GRID_SAMPLE_TAPS
namespace tsr::cpu {
namespace {

/// A coordinate in pixels, and its derivative.
struct Coordinate {
  double at, slope;
};

/// -1 … 1 in pixels of an axis of `size`.
Coordinate in_pixels(double coordinate, std::int64_t size, bool align_corners) {
  const auto extent = static_cast<double>(size);
  // Far outside is as good as infinitely far, and as not a number.
  constexpr double kFar = 1e9;
  if (!(std::abs(coordinate) < kFar)) coordinate = coordinate > 0 ? kFar : -kFar;
  if (align_corners) return {(coordinate + 1) / 2 * (extent - 1), (extent - 1) / 2};
  return {((coordinate + 1) * extent - 1) / 2, extent / 2};
}

Coordinate clip(Coordinate c, std::int64_t size) {
  const auto last = static_cast<double>(size - 1);
  if (c.at <= 0) return {0, 0};
  return c.at >= last ? Coordinate{last, 0} : c;
}

/// Mirrors at the centres (align_corners) or outer edges of the border pixels, until inside.
Coordinate reflect(Coordinate c, std::int64_t size, bool align_corners) {
  const double low = align_corners ? 0 : -0.5;
  const double span = static_cast<double>(align_corners ? size - 1 : size);
  if (span == 0) return {0, 0};
  const double distance = std::abs(c.at - low), sign = c.at < low ? -1 : 1;
  const double extra = std::fmod(distance, span);
  const bool flipped = std::fmod(std::floor(distance / span), 2) != 0;
  return flipped ? Coordinate{span - extra + low, -sign * c.slope} : Coordinate{extra + low, sign * c.slope};
}

Coordinate pad(Coordinate c, std::int64_t size, const GridSampleParams& p) {
  if (p.padding == SamplePadding::zeros) return c;
  return clip(p.padding == SamplePadding::reflection ? reflect(c, size, p.align_corners) : c, size);
}

/// The pixels that a coordinate meets along an axis, their weights, and the weights' derivatives. Those
/// outside are left out.
struct SampleTaps {
  int count = 0;
  std::int64_t pixel[4];
  double weight[4], slope[4];

  void add(double position, std::int64_t size, double w, double s) {
    if (!(position >= 0 && position < static_cast<double>(size))) return;
    pixel[count] = static_cast<std::int64_t>(position);
    weight[count] = w;
    slope[count++] = s;
  }
};

/// Keys' cubic kernel with a = -0.75 at distance x, and its derivative.
void cubic(double x, double& value, double& slope) {
  constexpr double a = -0.75;
  const double d = std::abs(x), sign = x < 0 ? -1 : 1;
  if (d < 1) {
    value = ((a + 2) * d - (a + 3)) * d * d + 1;
    slope = sign * (3 * (a + 2) * d - 2 * (a + 3)) * d;
  } else {
    value = ((d - 5) * d + 8) * d * a - 4 * a;
    slope = sign * ((3 * d - 10) * d + 8) * a;
  }
}

SampleTaps sample_taps(double coordinate, std::int64_t size, const GridSampleParams& p) {
  SampleTaps taps;
  const Coordinate raw = in_pixels(coordinate, size, p.align_corners);
  if (p.mode == Interpolation::bicubic) {
    const double base = std::floor(raw.at);
    for (int k = -1; k <= 2; ++k) {
      double weight, slope;
      cubic(raw.at - (base + k), weight, slope);
      taps.add(pad({base + k, 0}, size, p).at, size, weight, slope * raw.slope);
    }
    return taps;
  }
  const Coordinate c = pad(raw, size, p);
  if (p.mode == Interpolation::nearest) {
    taps.add(std::nearbyint(c.at), size, 1, 0);
    return taps;
  }
  const double base = std::floor(c.at), part = c.at - base;
  taps.add(base, size, 1 - part, -c.slope);
  taps.add(base + 1, size, part, c.slope);
  return taps;
}

struct SampleGeometry {
  std::int64_t images, height, width, channels, places;

  SampleGeometry(const View& x, const View& grid)
      : images(x.size[0]),
        height(x.size[1]),
        width(x.size[2]),
        channels(x.size[3]),
        places(grid.size[1] * grid.size[2]) {}

  std::int64_t pixel(std::int64_t image, std::int64_t row, std::int64_t column) const {
    return ((image * height + row) * width + column) * channels;
  }
};

/// The taps of one place, pair by pair.
template <class T>
struct PlaceTaps {
  SampleTaps rows, columns;
  int count;
  std::int64_t offset[16];  ///< of the pixel
  T weight[16];

  PlaceTaps(const SampleGeometry& g, std::int64_t image, const T* place, const GridSampleParams& p)
      : rows(sample_taps(static_cast<double>(place[1]), g.height, p)),
        columns(sample_taps(static_cast<double>(place[0]), g.width, p)),
        count(rows.count * columns.count) {
    for (int t = 0; t < count; ++t) {
      const int a = t / columns.count, b = t % columns.count;
      offset[t] = g.pixel(image, rows.pixel[a], columns.pixel[b]);
      weight[t] = static_cast<T>(rows.weight[a] * columns.weight[b]);
    }
  }
};

/// Places that are worth a task.
std::int64_t places_per_task(const SampleGeometry& g) {
  return std::max<std::int64_t>(1, (1 << 13) / std::max<std::int64_t>(1, g.channels));
}

}  // namespace
}  // namespace tsr::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void forward_of(const SampleGeometry& g, const T* x, const T* grid, T* y, const GridSampleParams& p) {
  parallel_for(g.images * g.places, places_per_task(g), [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    for (std::int64_t i = begin; i < end; ++i) {
      const PlaceTaps<T> taps(g, i / g.places, grid + 2 * i, p);
      for_lanes<T>(g.channels, [&](auto d, std::int64_t c) HWY_ATTR {
        auto sum = hn::Zero(d);
        for (int t = 0; t < taps.count; ++t)
          sum = hn::MulAdd(hn::Set(d, taps.weight[t]), hn::LoadU(d, x + taps.offset[t] + c), sum);
        hn::StoreU(sum, d, y + i * g.channels + c);
      });
    }
  });
}

/// Channels [first, first + count) of an image's gradient.
template <class T>
void image_gradient(const SampleGeometry& g, std::int64_t image, std::int64_t first, std::int64_t count,
                    const T* grad, const T* grid, T* grad_x, const GridSampleParams& p) {
  for (std::int64_t i = 0; i < g.height * g.width; ++i)
    std::fill_n(grad_x + (image * g.height * g.width + i) * g.channels + first, count, T{});
  for (std::int64_t i = image * g.places; i < (image + 1) * g.places; ++i) {
    const PlaceTaps<T> taps(g, image, grid + 2 * i, p);
    for_lanes<T>(count, [&](auto d, std::int64_t c) HWY_ATTR {
      const auto upstream = hn::LoadU(d, grad + i * g.channels + first + c);
      for (int t = 0; t < taps.count; ++t) {
        T* const to = grad_x + taps.offset[t] + first + c;
        hn::StoreU(hn::MulAdd(hn::Set(d, taps.weight[t]), upstream, hn::LoadU(d, to)), d, to);
      }
    });
  }
}

template <class T>
T dot(const T* a, const T* b, std::int64_t count) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sums = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) sums = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sums);
  T sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

/// A place's gradient: the pixels seen along upstream, weighted by how the taps' weights change.
template <class T>
void place_gradient(const SampleGeometry& g, std::int64_t i, const T* grad, const T* x, const T* grid,
                    T* grad_grid, const GridSampleParams& p) {
  const PlaceTaps<T> taps(g, i / g.places, grid + 2 * i, p);
  double by_x = 0, by_y = 0;
  for (int t = 0; t < taps.count; ++t) {
    const int a = t / taps.columns.count, b = t % taps.columns.count;
    const auto seen = static_cast<double>(dot(grad + i * g.channels, x + taps.offset[t], g.channels));
    by_x += seen * taps.rows.weight[a] * taps.columns.slope[b];
    by_y += seen * taps.rows.slope[a] * taps.columns.weight[b];
  }
  grad_grid[2 * i] = static_cast<T>(by_x);
  grad_grid[2 * i + 1] = static_cast<T>(by_y);
}

void forward(View x, View grid, View y, const GridSampleParams& p) {
  with_real(x.dtype, [&](auto type) {
    using T = decltype(type);
    forward_of(SampleGeometry(x, grid), x.as<T>(), grid.as<T>(), y.as<T>(), p);
  });
}

void backward(View grad, View x, View grid, View grad_x, View grad_grid, const GridSampleParams& p) {
  const SampleGeometry g(x, grid);
  with_real(grad.dtype, [&](auto type) {
    using T = decltype(type);
    if (grad_x.data != nullptr) {
      constexpr std::int64_t kSlice = 32;
      const std::int64_t slices = (g.channels + kSlice - 1) / kSlice;
      parallel_for(g.images * slices, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t first = i % slices * kSlice;
          image_gradient(g, i / slices, first, std::min(kSlice, g.channels - first), grad.as<T>(),
                         grid.as<T>(), grad_x.as<T>(), p);
        }
      });
    }
    if (grad_grid.data == nullptr) return;
    parallel_for(g.images * g.places, places_per_task(g), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        place_gradient(g, i, grad.as<T>(), x.as<T>(), grid.as<T>(), grad_grid.as<T>(), p);
    });
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {
namespace {

HWY_EXPORT(forward);
HWY_EXPORT(backward);

const bool registered = [] {
  for (const DType dtype : {float32, float64}) {
    grid_sample_fwd.add(Device::cpu, dtype,
                        [](Context&, View x, View grid, View y, const GridSampleParams& p) {
                          HWY_DYNAMIC_DISPATCH(forward)(x, grid, y, p);
                        });
    grid_sample_bwd.add(
        Device::cpu, dtype,
        [](Context&, View grad, View x, View grid, View grad_x, View grad_grid, const GridSampleParams& p) {
          HWY_DYNAMIC_DISPATCH(backward)(grad, x, grid, grad_x, grad_grid, p);
        });
  }
  return true;
}();

}  // namespace
}  // namespace tsr::cpu
#endif
