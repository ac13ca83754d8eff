// Convolution of NHWC images as an implicit matrix product, all three passes: each operand finds its elements
// in the images. A group is a matrix of the batch.

#include "cuda/elements.h"
#include "cuda/gemm_tile.h"
#include "cuda/variants.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

struct Geometry : Conv2dParams {
  std::int64_t batch, in_h, in_w, in_c, out_h, out_w, out_c, kernel_h, kernel_w;

  /// x [batch, in_h, in_w, in_c], weight [out_c, kernel_h, kernel_w, in_c / groups], y.
  Geometry(const View& x, const View& weight, const View& y, const Conv2dParams& p)
      : Conv2dParams(p),
        batch(x.size[0]),
        in_h(x.size[1]),
        in_w(x.size[2]),
        in_c(x.size[3]),
        out_h(y.size[1]),
        out_w(y.size[2]),
        out_c(y.size[3]),
        kernel_h(weight.size[1]),
        kernel_w(weight.size[2]) {}
  constexpr std::int64_t group_in() const { return in_c / groups; }
  constexpr std::int64_t group_out() const { return out_c / groups; }
  constexpr std::int64_t outputs() const { return batch * out_h * out_w; }
  constexpr std::int64_t inputs() const { return batch * in_h * in_w; }
  constexpr std::int64_t taps() const { return kernel_h * kernel_w; }
};

/// A place in an image batch.
struct Pixel {
  std::int64_t sample, row, col;
  __device__ Pixel(std::int64_t index, std::int64_t h, std::int64_t w)
      : sample(index / (h * w)), row(index / w % h), col(index % w) {}
};
/// What an index of [taps, channels] says.
struct Tap {
  std::int64_t row, col, channel;
  __device__ Tap(std::int64_t index, const Geometry& g, std::int64_t channels)
      : row(index / (channels * g.kernel_w)), col(index / channels % g.kernel_w), channel(index % channels) {}
};

/// Element (output pixel, tap and input channel) of the patches of x.
template <class T>
struct Patches {
  Geometry g;
  const T* x;
  __device__ float at(std::int64_t group, std::int64_t output, std::int64_t index) const {
    const Pixel to(output, g.out_h, g.out_w);
    const Tap tap(index, g, g.group_in());
    const std::int64_t row = to.row * g.stride_h - g.pad_h + tap.row * g.dilation_h;
    const std::int64_t col = to.col * g.stride_w - g.pad_w + tap.col * g.dilation_w;
    if (row < 0 || row >= g.in_h || col < 0 || col >= g.in_w) return 0;
    return widen(
        x[((to.sample * g.in_h + row) * g.in_w + col) * g.in_c + group * g.group_in() + tap.channel]);
  }
};

/// The output whose tap reads input `position`: it is `valid` when there is one.
struct Reader {
  std::int64_t output;
  bool valid;
  __device__ Reader(std::int64_t position, std::int64_t pad, std::int64_t tap, std::int64_t dilation,
                    std::int64_t stride, std::int64_t outputs) {
    const std::int64_t ahead = position + pad - tap * dilation;
    output = ahead / stride;
    valid = ahead >= 0 && ahead % stride == 0 && output < outputs;
  }
};

/// Element (input pixel, tap and output channel) of the gradients that reach it.
template <class T>
struct Readers {
  static constexpr bool along_depth = true;
  Geometry g;
  const T* grad;
  __device__ float operator()(std::int64_t group, std::int64_t input, std::int64_t index) const {
    const Pixel from(input, g.in_h, g.in_w);
    const Tap tap(index, g, g.group_out());
    const Reader row(from.row, g.pad_h, tap.row, g.dilation_h, g.stride_h, g.out_h);
    const Reader col(from.col, g.pad_w, tap.col, g.dilation_w, g.stride_w, g.out_w);
    if (!row.valid || !col.valid) return 0;
    return widen(grad[((from.sample * g.out_h + row.output) * g.out_w + col.output) * g.out_c +
                      group * g.group_out() + tap.channel]);
  }
};

// ---- forward: [outputs, taps·in] · [taps·in, out] ----

template <class T>
struct ForwardPatches : Patches<T> {
  static constexpr bool along_depth = true;
  __device__ float operator()(std::int64_t group, std::int64_t row, std::int64_t k) const {
    return this->at(group, row, k);
  }
};
template <class T>
struct ForwardWeight {
  static constexpr bool along_depth = true;
  const T* weight;
  std::int64_t depth, group_out;
  __device__ float operator()(std::int64_t group, std::int64_t k, std::int64_t col) const {
    return widen(weight[(group * group_out + col) * depth + k]);
  }
};
template <class T>
struct ForwardResult {
  T* y;
  const T *bias, *residual;  ///< or null
  bool relu;
  std::int64_t out_c, group_out;
  __device__ void operator()(std::int64_t group, std::int64_t, std::int64_t row, std::int64_t col,
                             float value) const {
    const std::int64_t channel = group * group_out + col, place = row * out_c + channel;
    if (bias != nullptr) value += widen(bias[channel]);
    if (residual != nullptr) value += widen(residual[place]);
    y[place] = narrow<T>(relu && value < 0 ? 0 : value);
  }
};

template <class T>
void forward(Context&, View x, View weight, View y, const Conv2dParams& params, const Conv2dEpilogue& e) {
  const Geometry g(x, weight, y, params);
  const std::int64_t depth = g.taps() * g.group_in();
  launch_gemm({.batch = g.groups, .m = g.outputs(), .n = g.group_out(), .k = depth},
              ForwardPatches<T>{{g, x.as<T>()}}, ForwardWeight<T>{weight.as<T>(), depth, g.group_out()},
              ForwardResult<T>{y.as<T>(), static_cast<const T*>(e.bias.data),
                               static_cast<const T*>(e.residual.data), e.relu, g.out_c, g.group_out()});
}

// ---- backward to the input: [inputs, taps·out] · [taps·out, in] ----

template <class T>
struct InputWeight {
  static constexpr bool along_depth = false;
  Geometry g;
  const T* weight;
  __device__ float operator()(std::int64_t group, std::int64_t k, std::int64_t col) const {
    const std::int64_t tap = k / g.group_out(), channel = group * g.group_out() + k % g.group_out();
    return widen(weight[(channel * g.taps() + tap) * g.group_in() + col]);
  }
};
template <class T>
struct InputResult {
  T* grad_x;
  std::int64_t in_c, group_in;
  __device__ void operator()(std::int64_t group, std::int64_t, std::int64_t row, std::int64_t col,
                             float value) const {
    grad_x[row * in_c + group * group_in + col] = narrow<T>(value);
  }
};

template <class T>
void backward_input(Context&, View grad, View weight, View grad_x, const Conv2dParams& params) {
  const Geometry g(grad_x, weight, grad, params);
  launch_gemm({.batch = g.groups, .m = g.inputs(), .n = g.group_in(), .k = g.taps() * g.group_out()},
              Readers<T>{g, grad.as<T>()}, InputWeight<T>{g, weight.as<T>()},
              InputResult<T>{grad_x.as<T>(), g.in_c, g.group_in()});
}

// ---- backward to the weight: [out, outputs] · [outputs, taps·in] ----

template <class T>
struct WeightGrad {
  static constexpr bool along_depth = false;
  const T* grad;
  std::int64_t out_c, group_out;
  __device__ float operator()(std::int64_t group, std::int64_t row, std::int64_t k) const {
    return widen(grad[k * out_c + group * group_out + row]);
  }
};
template <class T>
struct WeightPatches : Patches<T> {
  static constexpr bool along_depth = false;
  __device__ float operator()(std::int64_t group, std::int64_t k, std::int64_t col) const {
    return this->at(group, k, col);
  }
};
/// Portion `split` of the sum, for the second launch.
struct WeightPartial {
  float* partial;
  std::int64_t groups, m, n;
  __device__ void operator()(std::int64_t group, std::int64_t split, std::int64_t row, std::int64_t col,
                             float value) const {
    partial[((split * groups + group) * m + row) * n + col] = value;
  }
};
template <class T>
__global__ void add_portions_kernel(std::int64_t count, const float* partial, std::int64_t splits,
                                    T* grad_weight) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  float sum = 0;
  for (std::int64_t split = 0; split < splits; ++split) sum += partial[split * count + i];
  grad_weight[i] = narrow<T>(sum);
}

template <class T>
void backward_weight(Context& context, View grad, View x, View grad_weight, const Conv2dParams& params) {
  constexpr std::int64_t kPortion = 1024;  // pixels: enough for many blocks where the weight is small
  const Geometry g(x, grad_weight, grad, params);
  const std::int64_t splits = std::max<std::int64_t>(1, std::min<std::int64_t>(64, g.outputs() / kPortion));
  const GemmShape shape{.batch = g.groups,
                        .m = g.group_out(),
                        .n = g.taps() * g.group_in(),
                        .k = g.outputs(),
                        .splits = splits,
                        .portion = g.outputs() / splits};
  const std::int64_t count = grad_weight.numel();
  float* partial = context.workspace_of<float>(static_cast<std::size_t>(count * splits));
  launch_gemm(shape, WeightGrad<T>{grad.as<T>(), g.out_c, g.group_out()}, WeightPatches<T>{{g, x.as<T>()}},
              WeightPartial{partial, g.groups, shape.m, shape.n});
  launch_elements<add_portions_kernel<T>>(count, partial, splits, grad_weight.as<T>());
}

TSR_VARIANT_KERNEL(kHandwritten, conv2d_fwd, forward, float, BFloat16, Float16);
TSR_VARIANT_KERNEL(kHandwritten, conv2d_bwd_input, backward_input, float, BFloat16, Float16);
TSR_VARIANT_KERNEL(kHandwritten, conv2d_bwd_weight, backward_weight, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
