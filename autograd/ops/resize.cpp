// Resizing images: along each axis an output is a weighted sum of a few inputs, so resizing is two sparse
// matrices, and its adjoint their transposes.
#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kResize("resize"), kResizeBackward("resize_backward");

struct Tap {
  std::int64_t source;
  double weight;
};
/// A sparse matrix by its rows.
using Rows = std::vector<std::vector<Tap>>;

double linear_weight(double x) { return std::max(0.0, 1 - std::abs(x)); }

/// Keys' cubic convolution kernel (1981).
double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/// Distance of two neighbouring outputs, in inputs.
double scale_of(std::int64_t in, std::int64_t out, bool align_corners) {
  if (!align_corners) return static_cast<double>(in) / static_cast<double>(out);
  return out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0;
}

/// An interpolating kernel `reach` inputs wide to each side; beyond the borders the outermost input goes on.
template <class Kernel>
std::vector<Tap> interpolate(double center, std::int64_t in, int reach, Kernel kernel) {
  std::vector<Tap> taps;
  const auto base = static_cast<std::int64_t>(std::floor(center));
  for (std::int64_t k = base - reach + 1; k <= base + reach; ++k)
    taps.push_back({std::clamp<std::int64_t>(k, 0, in - 1), kernel(static_cast<double>(k) - center)});
  return taps;
}

/// A kernel stretched by the scale when that is above 1; beyond the borders nothing counts.
template <class Kernel>
std::vector<Tap> antialias(double center, double scale, std::int64_t in, int reach, Kernel kernel) {
  const double stretch = std::max(scale, 1.0), support = reach * stretch;
  const auto first = std::max<std::int64_t>(static_cast<std::int64_t>(std::floor(center - support + 0.5)), 0);
  const auto end = std::min(static_cast<std::int64_t>(std::floor(center + support + 0.5)), in);
  std::vector<Tap> taps;
  double total = 0;
  for (std::int64_t k = first; k < end; ++k) {
    taps.push_back({k, kernel((static_cast<double>(k) + 0.5 - center) / stretch)});
    total += taps.back().weight;
  }
  for (Tap& tap : taps) tap.weight /= total;
  return taps;
}

std::vector<Tap> taps_of(std::int64_t position, std::int64_t in, std::int64_t out, const ResizeOptions& o) {
  if (o.mode == Interpolation::nearest) return {{position * in / out, 1}};
  const double scale = scale_of(in, out, o.align_corners), at = static_cast<double>(position);
  const bool is_cubic = o.mode == Interpolation::bicubic;
  if (o.antialias) {
    const double center = scale * (at + 0.5);
    return is_cubic ? antialias(center, scale, in, 2, [](double x) { return cubic(x, -0.5); })
                    : antialias(center, scale, in, 1, linear_weight);
  }
  const double center = o.align_corners ? scale * at : scale * (at + 0.5) - 0.5;
  return is_cubic ? interpolate(center, in, 2, [](double x) { return cubic(x, -0.75); })
                  : interpolate(center, in, 1, linear_weight);
}

Rows resizing(std::int64_t in, std::int64_t out, const ResizeOptions& options) {
  Rows rows;
  for (std::int64_t i = 0; i < out; ++i) {
    rows.push_back(taps_of(i, in, out, options));
    std::erase_if(rows.back(), [](const Tap& tap) { return tap.weight == 0; });
  }
  return rows;
}

Rows transposed(const Rows& rows, std::int64_t columns) {
  Rows result(static_cast<std::size_t>(columns));
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (const Tap& tap : rows[i])
      result[static_cast<std::size_t>(tap.source)].push_back({static_cast<std::int64_t>(i), tap.weight});
  return result;
}

/// The rows as the kernel takes them.
struct Packed {
  Tensor start, source, weight;

  Packed(const Rows& rows, DType dtype, Device device) {
    std::vector<std::int32_t> starts{0}, sources;
    std::vector<double> weights;
    for (const std::vector<Tap>& row : rows) {
      for (const Tap& tap : row) {
        sources.push_back(static_cast<std::int32_t>(tap.source));
        weights.push_back(tap.weight);
      }
      starts.push_back(static_cast<std::int32_t>(sources.size()));
    }
    const auto count = static_cast<std::int64_t>(sources.size());
    start = from_values(starts, {static_cast<std::int64_t>(starts.size())}).to(device);
    source = from_values(sources, {count}).to(device);
    weight = from_values(weights, {count}).to(dtype).to(device);
  }
  ResampleAxis axis() const { return {start.view(), source.view(), weight.view()}; }
};

/// Resizing from [H, W] `from` to `to`, or the adjoint, which takes an image of size `to`.
Tensor resample(const OpInfo& info, const Tensor& given_x, const Shape& from, const Shape& to,
                const ResizeOptions& options) {
  const bool adjoint = &info == &kResizeBackward;
  const Tensor x = contiguous(given_x);
  Op op(info, {x});
  Rows rows = resizing(from[0], to[0], options), columns = resizing(from[1], to[1], options);
  if (adjoint) {
    rows = transposed(rows, from[0]);
    columns = transposed(columns, from[1]);
  }
  const Shape& size = adjoint ? from : to;
  const Tensor y = op.empty({x.size(0), size[0], size[1], x.size(3)});
  const DType wide = compute_dtype(x.dtype());
  const Packed vertical(rows, wide, x.device()), horizontal(columns, wide, x.device());
  resample_fwd(op, x.view(), y.view(), vertical.axis(), horizontal.axis());
  return op.record(y, [adjoint, from, to, options](const Tensor& grad, const Needs&) {
    return Tensors{resample(adjoint ? kResize : kResizeBackward, grad, from, to, options)};
  });
}

}  // namespace

Tensor resize(const Tensor& x, std::int64_t height, std::int64_t width, const ResizeOptions& options) {
  TSR_CHECK(x.defined() && x.rank() == 4, "resize: ", x.defined() ? describe(x) : "an undefined tensor",
            " is not a batch of images [N, H, W, C]");
  TSR_CHECK(height > 0 && width > 0 && x.size(1) > 0 && x.size(2) > 0, "resize: ", describe(x), " to ",
            height, "x", width, "; every size must be positive");
  TSR_CHECK(options.mode != Interpolation::nearest || (!options.align_corners && !options.antialias),
            "resize: nearest takes neither align_corners nor antialias; use bilinear or bicubic");
  return resample(kResize, x, {x.size(1), x.size(2)}, {height, width}, options);
}

}  // namespace tsr
