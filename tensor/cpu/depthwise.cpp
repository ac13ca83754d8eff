// Each of the three passes walks rows of target pixels, cut into runs that see the same taps: the inside of
// the image is one long run, its edges are short ones with fewer taps.
//
// With a multiplier m, output channel c·m + p reads input channel c. The output is then handled as m planes
// [pixels, channels], plane p holding channels p, m + p, …, so that vectors still run over adjacent channels.
#include "tensor/cpu/depthwise.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "tensor/cpu/buffer.h"
#include "tensor/cpu/convert.h"
#include "tensor/cpu/depthwise_kernel.h"
#include "tensor/parallel.h"

namespace tsr::cpu {
namespace {

using std::int64_t;

/// What a position along one axis sees: kernel tap tap[i] at source position from[i].
struct AxisTaps {
  std::vector<int64_t> tap, from;
};

/// Positions first, first + step, … (`count` of them) that see the same taps; for each next one they lie
/// `source_step` further.
struct Run {
  int64_t first, step, count, source_step;
  AxisTaps taps;
};

struct Axis {
  std::vector<AxisTaps> positions;
  std::vector<Run> runs;
};

/// Position o of y sees tap t of x at o·stride - pad + t·dilation.
AxisTaps taps_of_output(int64_t position, int64_t in, int64_t kernel, int64_t stride, int64_t pad,
                        int64_t dilation) {
  AxisTaps taps;
  for (int64_t t = 0; t < kernel; ++t) {
    const int64_t from = position * stride - pad + t * dilation;
    if (from < 0 || from >= in) continue;
    taps.tap.push_back(t);
    taps.from.push_back(from);
  }
  return taps;
}

/// The same read backwards: position of x that tap t of output `from` saw.
AxisTaps taps_of_input(int64_t position, int64_t out, int64_t kernel, int64_t stride, int64_t pad,
                       int64_t dilation) {
  AxisTaps taps;
  for (int64_t t = 0; t < kernel; ++t) {
    const int64_t distance = position + pad - t * dilation;
    if (distance < 0 || distance % stride != 0 || distance / stride >= out) continue;
    taps.tap.push_back(t);
    taps.from.push_back(distance / stride);
  }
  return taps;
}

Axis cut_into_runs(std::vector<AxisTaps> positions, int64_t step, int64_t source_step) {
  Axis axis{std::move(positions), {}};
  const auto extent = static_cast<int64_t>(axis.positions.size());
  for (int64_t phase = 0; phase < std::min(step, extent); ++phase) {
    for (int64_t at = phase; at < extent; at += step) {
      const AxisTaps& taps = axis.positions[static_cast<std::size_t>(at)];
      if (at > phase && axis.runs.back().taps.tap == taps.tap) {
        ++axis.runs.back().count;
      } else {
        axis.runs.push_back({at, step, 1, source_step, taps});
      }
    }
  }
  return axis;
}

Axis forward_axis(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  std::vector<AxisTaps> positions;
  for (int64_t i = 0; i < out; ++i) positions.push_back(taps_of_output(i, in, kernel, stride, pad, dilation));
  return cut_into_runs(std::move(positions), 1, stride);
}

Axis backward_axis(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  std::vector<AxisTaps> positions;
  for (int64_t i = 0; i < in; ++i) positions.push_back(taps_of_input(i, out, kernel, stride, pad, dilation));
  return cut_into_runs(std::move(positions), stride, 1);
}

/// From images [images, source_h, source_w, channels] to rows of pixels.
struct Walk {
  Axis rows, columns;
  int64_t source_h, source_w, channels, kernel_w;

  int64_t height() const { return static_cast<int64_t>(rows.positions.size()); }

  /// The taps of a run in a row, their weights counted from [taps, channels].
  void append(int64_t image, int64_t row, const Run& run, int64_t source, int64_t weight,
              std::vector<TapOffset>& taps) const {
    const AxisTaps& vertical = rows.positions[static_cast<std::size_t>(row)];
    for (std::size_t a = 0; a < vertical.tap.size(); ++a)
      for (std::size_t b = 0; b < run.taps.tap.size(); ++b)
        taps.push_back(
            {source + ((image * source_h + vertical.from[a]) * source_w + run.taps.from[b]) * channels,
             weight + (vertical.tap[a] * kernel_w + run.taps.tap[b]) * channels});
  }

  template <class T>
  DepthwiseRun<T> over(const Run& run, const std::vector<TapOffset>& taps, const T* source) const {
    return {taps.data(), static_cast<int64_t>(taps.size()), run.count,
            channels,    run.source_step * channels,        run.step * channels,
            source};
  }
};

Walk forward_walk(const Conv2dGeometry& g) {
  return {forward_axis(g.in_h, g.out_h(), g.kernel_h, g.stride_h, g.pad_h, g.dilation_h),
          forward_axis(g.in_w, g.out_w(), g.kernel_w, g.stride_w, g.pad_w, g.dilation_w),
          g.in_h,
          g.in_w,
          g.in_c,
          g.kernel_w};
}

Walk backward_walk(const Conv2dGeometry& g) {
  return {backward_axis(g.in_h, g.out_h(), g.kernel_h, g.stride_h, g.pad_h, g.dilation_h),
          backward_axis(g.in_w, g.out_w(), g.kernel_w, g.stride_w, g.pad_w, g.dilation_w),
          g.out_h(),
          g.out_w(),
          g.in_c,
          g.kernel_w};
}

int64_t multiplier(const Conv2dGeometry& g) { return g.out_c / g.in_c; }
int64_t taps(const Conv2dGeometry& g) { return g.kernel_h * g.kernel_w; }

/// Rows that are worth a task.
int64_t rows_per_task(const Conv2dGeometry& g, int64_t width) {
  constexpr int64_t kProducts = 1 << 16;
  return std::max<int64_t>(1, kProducts / std::max<int64_t>(1, width * g.out_c * taps(g)));
}

/// Weights [channels·multiplier, taps] as [multiplier, taps, channels].
template <class T>
Buffer<T> planes_of_weights(const Conv2dGeometry& g, const T* weight) {
  const int64_t planes = multiplier(g), count = taps(g);
  Buffer<T> result(g.out_c * count);
  for (int64_t p = 0; p < planes; ++p)
    for (int64_t t = 0; t < count; ++t)
      for (int64_t c = 0; c < g.in_c; ++c)
        result.data()[(p * count + t) * g.in_c + c] = weight[(c * planes + p) * count + t];
  return result;
}

/// Pixels [pixels, channels·planes] as [planes, pixels, channels], or back.
template <class T>
void split_planes(int64_t pixels, int64_t channels, int64_t planes, const T* from, int64_t plane_step,
                  T* to) {
  for (int64_t i = 0; i < pixels; ++i)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t p = 0; p < planes; ++p) to[p * plane_step + i * channels + c] = *from++;
}

template <class T>
void join_planes(int64_t pixels, int64_t channels, int64_t planes, const T* from, int64_t plane_step, T* to) {
  for (int64_t i = 0; i < pixels; ++i)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t p = 0; p < planes; ++p) *to++ = from[p * plane_step + i * channels + c];
}

/// y's gradient by planes: itself when there is but one.
template <class T>
class OutputPlanes {
 public:
  OutputPlanes(const Conv2dGeometry& g, const T* y)
      : step_(g.batch * g.out_h() * g.out_w() * g.in_c),
        copy_(multiplier(g) == 1 ? 0 : step_ * multiplier(g)),
        data_(multiplier(g) == 1 ? y : copy_.data()) {
    if (multiplier(g) == 1) return;
    const int64_t width = g.out_w();
    parallel_for(g.batch * g.out_h(), rows_per_task(g, width), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        split_planes(width, g.in_c, multiplier(g), y + row * width * g.out_c, step_,
                     copy_.data() + row * width * g.in_c);
    });
  }
  const T* plane(int64_t index) const { return data_ + index * step_; }
  int64_t step() const { return step_; }

 private:
  int64_t step_;
  Buffer<T> copy_;
  const T* data_;
};

/// Tells the epilogue of a row of y.
template <class T>
void finish_row(const Epilogue<T>& epilogue, int64_t row, int64_t width, int64_t channels, T* y) {
  if (!epilogue.apply) return;
  std::vector<int64_t> offsets(static_cast<std::size_t>(width));
  for (int64_t i = 0; i < width; ++i) offsets[static_cast<std::size_t>(i)] = (row * width + i) * channels;
  epilogue.apply(epilogue.state, {y, offsets.data(), 0, row * width, width, 0, channels, 0, offsets.data()});
}

template <class T>
void forward_planes(const Conv2dGeometry& g, const T* x, const T* weight, T* y, const Epilogue<T>& epilogue) {
  const Walk walk = forward_walk(g);
  const Buffer<T> weights = planes_of_weights(g, weight);
  const int64_t height = g.out_h(), width = g.out_w(), planes = multiplier(g), plane_step = width * g.in_c;
  parallel_for(g.batch * height, rows_per_task(g, width), [&](int64_t begin, int64_t end) {
    const Buffer<T> split(planes == 1 ? 0 : planes * plane_step);
    std::vector<TapOffset> offsets;
    for (int64_t row = begin; row < end; ++row) {
      T* const joined = y + row * width * g.out_c;
      T* const target = planes == 1 ? joined : split.data();
      for (const Run& run : walk.columns.runs) {
        offsets.clear();
        walk.append(row / height, row % height, run, 0, 0, offsets);
        const DepthwiseRun<T> all = walk.over(run, offsets, x);
        for (int64_t p = 0; p < planes; ++p)
          depthwise_kernels<T>().gather(all, weights.data() + p * taps(g) * g.in_c,
                                        target + p * plane_step + run.first * g.in_c);
      }
      if (planes > 1) join_planes(width, g.in_c, planes, target, plane_step, joined);
      finish_row(epilogue, row, width, g.out_c, y);
    }
  });
}

template <class T>
void grad_input(const Conv2dGeometry& g, const T* grad_y, const T* weight, T* grad_x) {
  const Walk walk = backward_walk(g);
  const Buffer<T> weights = planes_of_weights(g, weight);
  const OutputPlanes<T> grads(g, grad_y);
  parallel_for(g.batch * g.in_h, rows_per_task(g, g.in_w), [&](int64_t begin, int64_t end) {
    std::vector<TapOffset> offsets;
    for (int64_t row = begin; row < end; ++row) {
      for (const Run& run : walk.columns.runs) {
        offsets.clear();
        for (int64_t p = 0; p < multiplier(g); ++p)
          walk.append(row / g.in_h, row % g.in_h, run, p * grads.step(), p * taps(g) * g.in_c, offsets);
        depthwise_kernels<T>().gather(walk.over(run, offsets, grads.plane(0)), weights.data(),
                                      grad_x + (row * g.in_w + run.first) * g.in_c);
      }
    }
  });
}

template <class T>
void grad_weight_of(const Conv2dGeometry& g, const T* grad_y, const T* x, T* grad_weight) {
  constexpr int64_t kMostParts = 32;  // partial sums, enough for a few threads to finish together
  const Walk walk = forward_walk(g);
  const OutputPlanes<T> grads(g, grad_y);
  const int64_t height = g.out_h(), width = g.out_w(), rows = g.batch * height, planes = multiplier(g);
  const int64_t part_rows = std::max(rows_per_task(g, width), (rows + kMostParts - 1) / kMostParts);
  const int64_t parts = (rows + part_rows - 1) / part_rows, size = g.out_c * taps(g);
  const Buffer<T> sums(parts * size);
  parallel_for(rows, part_rows, [&](int64_t begin, int64_t end) {
    T* const part = sums.data() + begin / part_rows * size;
    std::fill_n(part, size, T{});
    std::vector<TapOffset> offsets;
    for (int64_t row = begin; row < end; ++row) {
      for (const Run& run : walk.columns.runs) {
        offsets.clear();
        walk.append(row / height, row % height, run, 0, 0, offsets);
        const DepthwiseRun<T> all = walk.over(run, offsets, x);
        for (int64_t p = 0; p < planes; ++p)
          depthwise_kernels<T>().accumulate(all, grads.plane(p) + (row * width + run.first) * g.in_c,
                                            part + p * taps(g) * g.in_c);
      }
    }
  });
  for (int64_t i = 0; i < size; ++i) {
    T sum{};
    for (int64_t part = 0; part < parts; ++part) sum += sums.data()[part * size + i];
    const int64_t c = i % g.in_c, t = i / g.in_c % taps(g), p = i / g.in_c / taps(g);
    grad_weight[(c * planes + p) * taps(g) + t] = sum;
  }
}

int64_t x_size(const Conv2dGeometry& g) { return g.batch * g.in_h * g.in_w * g.in_c; }
int64_t y_size(const Conv2dGeometry& g) { return g.batch * g.out_h() * g.out_w() * g.out_c; }
int64_t weight_size(const Conv2dGeometry& g) { return g.out_c * taps(g); }

/// A tensor as the loops take it: itself, or a widened copy.
template <class S>
class Operand {
 public:
  Operand(const S* data, int64_t count) : copy_(kWidens ? count : 0) {
    if constexpr (kWidens) {
      widen(data, count, copy_.data());
      data_ = copy_.data();
    } else {
      data_ = data;
    }
  }
  operator const Compute<S>*() const { return data_; }

 private:
  static constexpr bool kWidens = !std::is_same_v<S, Compute<S>>;
  Buffer<Compute<S>> copy_;
  const Compute<S>* data_;
};

/// Calls body(result) with where the loops may write, and rounds what they wrote.
template <class S, class Body>
void write_to(S* data, int64_t count, Body&& body) {
  if constexpr (std::is_same_v<S, Compute<S>>) {
    body(data);
  } else {
    const Buffer<float> result(count);
    body(result.data());
    round(result.data(), count, data);
  }
}

}  // namespace

bool is_depthwise(const Conv2dGeometry& g) {
  return g.groups > 1 && g.in_c == g.groups && g.out_c / g.groups <= g.groups;
}

template <class S>
void depthwise_forward(const Conv2dGeometry& g, const S* x, const S* weight, S* y,
                       const Epilogue<Compute<S>>& epilogue) {
  const Operand<S> image(x, x_size(g)), filter(weight, weight_size(g));
  write_to(y, y_size(g),
           [&](Compute<S>* result) { forward_planes<Compute<S>>(g, image, filter, result, epilogue); });
}

template <class S>
void depthwise_grad_input(const Conv2dGeometry& g, const S* grad_y, const S* weight, S* grad_x) {
  const Operand<S> grad(grad_y, y_size(g)), filter(weight, weight_size(g));
  write_to(grad_x, x_size(g), [&](Compute<S>* result) { grad_input<Compute<S>>(g, grad, filter, result); });
}

template <class S>
void depthwise_grad_weight(const Conv2dGeometry& g, const S* grad_y, const S* x, S* grad_weight) {
  const Operand<S> grad(grad_y, y_size(g)), image(x, x_size(g));
  write_to(grad_weight, weight_size(g),
           [&](Compute<S>* result) { grad_weight_of<Compute<S>>(g, grad, image, result); });
}

#define DEPTHWISE(S)                                                                 \
  template void depthwise_forward(const Conv2dGeometry&, const S*, const S*, S*,     \
                                  const Epilogue<Compute<S>>&);                      \
  template void depthwise_grad_input(const Conv2dGeometry&, const S*, const S*, S*); \
  template void depthwise_grad_weight(const Conv2dGeometry&, const S*, const S*, S*);
DEPTHWISE(float)
DEPTHWISE(double)
DEPTHWISE(BFloat16)
DEPTHWISE(Float16)
#undef DEPTHWISE

}  // namespace tsr::cpu
