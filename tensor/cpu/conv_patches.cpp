#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/conv_patches.cpp"
#include <algorithm>
#include <array>
#include <type_traits>

#include "hwy/foreach_target.h"
#include "tensor/cpu/columns-inl.h"
#include "tensor/cpu/conv_patches.h"
#include "tensor/cpu/convert-inl.h"
#include "tensor/cpu/copy-inl.h"
#include "tensor/cpu/highway.h"

#ifndef TESSERA_TENSOR_CPU_CONV_PATCHES_ONCE_
#define TESSERA_TENSOR_CPU_CONV_PATCHES_ONCE_
namespace tsr::cpu {

/// The packers of one instruction set.
template <class T>
struct PatchPackers {
  Block2d<T> (*patches_a)(const void*, const BlockRequest<T>&);
  Panel<T> (*patches_b)(const void*, const PanelRequest<T>&);
  Block2d<T> (*pixel_columns_a)(const void*, const BlockRequest<T>&);
  Panel<T> (*tap_weights_b)(const void*, const PanelRequest<T>&);
};

}  // namespace tsr::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {

using std::int64_t;

/// A stretch of a patch that lies in one piece of memory: `length` elements from channel 0 of tap (y, x) plus
/// `first`, which may run on into the taps to its right.
struct Run {
  int64_t tap_y, tap_x, first, length;
};

/// Cuts columns [begin, begin + count) of the patch matrix into runs, one at a time.
template <class S>
class RunCutter {
 public:
  RunCutter(const Patches<S>& patches, int64_t begin, int64_t count)
      : patches_(patches),
        at_(begin),
        end_(begin + count),
        taps_(static_cast<int64_t>(patches.tap_x.size())) {}

  bool next(Run& run) {
    if (at_ == end_) return false;
    const int64_t channels = patches_.channels;
    const int64_t tap = at_ / channels, row = tap / taps_, col = tap % taps_;
    int64_t last = col;
    if (patches_.pixel_stride == channels) {
      while (last + 1 < taps_ && patches_.tap_x[last + 1] == patches_.tap_x[last] + 1) ++last;
    }
    const int64_t first = at_ % channels;
    const int64_t length = std::min(end_ - at_, (last - col + 1) * channels - first);
    run = {patches_.tap_y[row], patches_.tap_x[col], first, length};
    at_ += length;
    return true;
  }

 private:
  const Patches<S>& patches_;
  int64_t at_, end_, taps_;
};

/// The part [begin, end) of a run that lies inside the image for a pixel, and where its element 0 would be.
template <class S>
struct Inside {
  int64_t begin, end;
  const S* from;
};

template <class S>
HWY_INLINE Inside<S> inside(const Patches<S>& patches, const PixelOrder::Pixel& pixel, const Run& run) {
  const int64_t y = pixel.y * patches.stride_h + run.tap_y;
  const int64_t x = pixel.x * patches.stride_w + run.tap_x;
  if (y < 0 || y >= patches.height) return {0, 0, nullptr};
  // In elements from the image row's start; a run of several taps is only made where pixels touch.
  const int64_t start = x * patches.pixel_stride + run.first;
  const int64_t row_end = patches.width * patches.pixel_stride;
  const int64_t begin = std::min(run.length, std::max<int64_t>(0, -start));
  const int64_t end = std::max(begin, std::min(run.length, row_end - start));
  return {begin, end, patches.image + (pixel.image * patches.height + y) * row_end + start};
}

/// Fills `to` with the run, zeros where it leaves the image.
template <class S, class T>
HWY_INLINE void copy_inside(const Inside<S>& part, int64_t length, T* to) {
  if (part.begin > 0) zero_run(part.begin, to);
  if (part.end > part.begin) copy_run(part.from + part.begin, part.end - part.begin, to + part.begin);
  if (length > part.end) zero_run(length - part.end, to + part.end);
}

/// Columns at either end of a block that are padding for all its pixels.
struct Margin {
  int64_t front = 0, back = 0;
};

/// Only found for blocks of one position, {0, 0} for others; front is `columns` when all is padding.
template <class S>
Margin margin(const Patches<S>& patches, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  const PixelOrder& order = patches.order;
  if (!order.position_major || row / order.images != (row + rows - 1) / order.images) return {};
  const PixelOrder::Pixel pixel = order.at(row);
  int64_t first = columns, end = columns, at = 0;
  RunCutter<S> cutter(patches, column, columns);
  for (Run run; cutter.next(run); at += run.length) {
    const Inside<S> part = inside(patches, pixel, run);
    if (part.end == part.begin) continue;
    first = std::min(first, at + part.begin);
    end = at + part.end;
  }
  return {first, first == columns ? 0 : columns - end};
}

/// Calls body(pixel, offset, count) for the spans that rows [row, row + rows) of the pixel matrix consist of.
template <class Body>
HWY_INLINE void for_each_span(const PixelOrder& order, int64_t row, int64_t rows, Body&& body) {
  for (int64_t done = 0; done < rows;) {
    const PixelOrder::Pixel pixel = order.at(row + done);
    const int64_t count = order.span(pixel, rows - done);
    body(pixel, done, count);
    done += count;
  }
}

/// Copies a run for `count` pixels of a span, to rows `pitch` elements apart.
template <class S, class T>
HWY_INLINE void copy_span(const Patches<S>& patches, PixelOrder::Pixel pixel, int64_t count, const Run& run,
                          T* to, int64_t pitch) {
  if (patches.order.position_major) {
    const Inside<S> part = inside(patches, pixel, run);
    const int64_t step = patches.height * patches.width * patches.pixel_stride;
    for (int64_t i = 0; i < count; ++i) {
      copy_inside(Inside<S>{part.begin, part.end, part.from + i * step}, run.length, to + i * pitch);
    }
    return;
  }
  const int64_t step = patches.stride_w * patches.pixel_stride;
  const int64_t row_end = patches.width * patches.pixel_stride;
  for (int64_t i = 0; i < count;) {
    const Inside<S> part = inside(patches, pixel, run);
    if (part.begin > 0 || part.end < run.length) {
      copy_inside(part, run.length, to + i * pitch);
      ++i, ++pixel.x;
      continue;
    }
    // From here to the image's right edge the run stays inside: no further checks.
    const int64_t start = (pixel.x * patches.stride_w + run.tap_x) * patches.pixel_stride + run.first;
    const int64_t whole = std::min(count - i, (row_end - run.length - start) / step + 1);
    for (int64_t k = 0; k < whole; ++k) copy_run(part.from + k * step, run.length, to + (i + k) * pitch);
    i += whole;
    pixel.x += whole;
  }
}

/// Fills a buffer with rows [row, row + rows) × columns [column, column + columns) of the patch matrix.
template <class S, class T>
void pack_patches(const Patches<S>& patches, int64_t row, int64_t rows, int64_t column, int64_t columns,
                  T* buffer, int64_t pitch) {
  RunCutter<S> cutter(patches, column, columns);
  for (Run run; cutter.next(run); buffer += run.length) {
    for_each_span(patches.order, row, rows,
                  [&](const PixelOrder::Pixel& pixel, int64_t offset, int64_t count) {
                    copy_span(patches, pixel, count, run, buffer + offset * pitch, pitch);
                  });
  }
}

template <class S, class T>
Block2d<T> pack_patches_a(const void* state, const BlockRequest<T>& r) {
  const auto& patches = *static_cast<const Patches<S>*>(state);
  const Margin skip = margin(patches, r.row, r.rows, r.depth_begin, r.depth);
  const int64_t depth = r.depth - skip.front - skip.back;
  if (depth == 0) return {nullptr};
  pack_patches(patches, r.row, r.rows, r.depth_begin + skip.front, depth, r.buffer, r.row_stride);
  Block2d<T> block = block_of_rows(r);
  block.skip_front = skip.front, block.skip_back = skip.back;
  return block;
}

template <class S, class T>
Panel<T> pack_patches_b(const void* state, const PanelRequest<T>& r) {
  const auto& patches = *static_cast<const Patches<S>*>(state);
  if (margin(patches, r.depth_begin, r.depth, r.col, r.cols).front == r.cols) return {};
  pack_patches(patches, r.depth_begin, r.depth, r.col, r.cols, r.buffer, r.width);
  return {r.buffer, r.width};
}

template <class S, class T>
Block2d<T> pack_pixel_columns_a(const void* state, const BlockRequest<T>& r) {
  const auto& columns = *static_cast<const PixelColumns<S>*>(state);
  const S* data = columns.data;
  const auto& map = columns.map;
  const int64_t step = map.span_step();
  for_each_span(map.order, r.depth_begin, r.depth,
                [&](const PixelOrder::Pixel& pixel, int64_t offset, int64_t count) {
                  const S* from = data + map.at(pixel) + r.row;
                  for (int64_t i = 0; i < count; ++i) copy_column(from + i * step, r, offset + i);
                });
  return block_of_columns(r);
}

template <class S, class T>
Panel<T> pack_tap_weights_b(const void* state, const PanelRequest<T>& request) {
  const auto& w = *static_cast<const TapWeights<S>*>(state);
  const auto cols = static_cast<int64_t>(w.tap_col.size());
  for (int64_t k = 0; k < request.depth; ++k) {
    const int64_t tap = (request.depth_begin + k) / w.outputs, output = (request.depth_begin + k) % w.outputs;
    const int64_t row = w.tap_row[tap / cols], col = w.tap_col[tap % cols];
    copy_run(w.weight + ((output * w.kernel_h + row) * w.kernel_w + col) * w.channels + request.col,
             request.cols, request.buffer + k * request.width);
  }
  return {request.buffer, request.width};
}

template <class S>
PatchPackers<Compute<S>> packers() {
  using T = Compute<S>;
  return {pack_patches_a<S, T>, pack_patches_b<S, T>, pack_pixel_columns_a<S, T>, pack_tap_weights_b<S, T>};
}
PatchPackers<float> packers_float() { return packers<float>(); }
PatchPackers<double> packers_double() { return packers<double>(); }
PatchPackers<float> packers_bfloat16() { return packers<BFloat16>(); }
PatchPackers<float> packers_float16() { return packers<Float16>(); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {
namespace {

HWY_EXPORT(packers_float);
HWY_EXPORT(packers_double);
HWY_EXPORT(packers_bfloat16);
HWY_EXPORT(packers_float16);

template <class S>
const PatchPackers<Compute<S>>& packers() {
  static const PatchPackers<Compute<S>> chosen = [] {
    if constexpr (std::is_same_v<S, float>) {
      return HWY_DYNAMIC_DISPATCH(packers_float)();
    } else if constexpr (std::is_same_v<S, double>) {
      return HWY_DYNAMIC_DISPATCH(packers_double)();
    } else if constexpr (std::is_same_v<S, BFloat16>) {
      return HWY_DYNAMIC_DISPATCH(packers_bfloat16)();
    } else {
      return HWY_DYNAMIC_DISPATCH(packers_float16)();
    }
  }();
  return chosen;
}

}  // namespace

bool prefer_position_major(std::int64_t images, std::int64_t width, std::int64_t widest, std::int64_t taps,
                           std::int64_t channels) {
  return taps > 1 && width <= widest && channels >= 64 && images >= 16;
}

void pixel_offsets(const void* map, std::int64_t row, std::int64_t rows, std::int64_t* result) {
  const auto& pixels = *static_cast<const PixelMap*>(map);
  for (std::int64_t done = 0; done < rows;) {
    const PixelOrder::Pixel pixel = pixels.order.at(row + done);
    const std::int64_t count = pixels.order.span(pixel, rows - done), first = pixels.at(pixel);
    for (std::int64_t i = 0; i < count; ++i) result[done + i] = first + i * pixels.span_step();
    done += count;
  }
}

template <class S>
OperandA<Compute<S>> patches_a(const Patches<S>& patches) {
  return {packers<S>().patches_a, &patches};
}
template <class S>
OperandB<Compute<S>> patches_b(const Patches<S>& patches) {
  return {packers<S>().patches_b, &patches, true};
}
template <class S>
OperandA<Compute<S>> pixel_columns_a(const PixelColumns<S>& columns) {
  return {packers<S>().pixel_columns_a, &columns};
}
template <class S>
OperandB<Compute<S>> tap_weights_b(const TapWeights<S>& weights) {
  return {packers<S>().tap_weights_b, &weights, true};
}

#define PACKERS(S)                                                       \
  template OperandA<Compute<S>> patches_a(const Patches<S>&);            \
  template OperandB<Compute<S>> patches_b(const Patches<S>&);            \
  template OperandA<Compute<S>> pixel_columns_a(const PixelColumns<S>&); \
  template OperandB<Compute<S>> tap_weights_b(const TapWeights<S>&);
PACKERS(float)
PACKERS(double)
PACKERS(BFloat16)
PACKERS(Float16)
#undef PACKERS

}  // namespace tsr::cpu
#endif
