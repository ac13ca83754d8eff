// Convolution of NHWC images as an implicit matrix product, all three passes: each operand finds its elements
// in the images. A group is a matrix of the batch. float32 on the CUDA cores, bfloat16 and float16 on the
// tensor cores.

#include <limits>

#include "cuda/elements.h"
#include "cuda/mma_gemm.h"
#include "cuda/sgemm.h"
#include "cuda/variants.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

/// In 32 bits, which a GPU divides several times faster than 64.
struct Geometry : Conv2dParams {
  int batch, in_h, in_w, in_c, out_h, out_w, out_c, kernel_h, kernel_w;
  int group_in, group_out, taps;  ///< channels of a group, places of the kernel

  /// x [batch, in_h, in_w, in_c], weight [out_c, kernel_h, kernel_w, in_c / groups], y.
  Geometry(const View& x, const View& weight, const View& y, const Conv2dParams& p)
      : Conv2dParams(p),
        batch(static_cast<int>(x.size[0])),
        in_h(static_cast<int>(x.size[1])),
        in_w(static_cast<int>(x.size[2])),
        in_c(static_cast<int>(x.size[3])),
        out_h(static_cast<int>(y.size[1])),
        out_w(static_cast<int>(y.size[2])),
        out_c(static_cast<int>(y.size[3])),
        kernel_h(static_cast<int>(weight.size[1])),
        kernel_w(static_cast<int>(weight.size[2])),
        group_in(in_c / groups),
        group_out(out_c / groups),
        taps(kernel_h * kernel_w) {
    for (const std::int64_t count : {inputs(), outputs(), weight.numel(), x.size[3], y.size[3]})
      TSR_CHECK(count <= std::numeric_limits<int>::max(), "conv2d: ", count,
                " pixels or weights; on a device at most ", std::numeric_limits<int>::max());
  }
  std::int64_t outputs() const { return std::int64_t{batch} * out_h * out_w; }
  std::int64_t inputs() const { return std::int64_t{batch} * in_h * in_w; }
};

/// A place in an image batch.
struct Pixel {
  int sample = 0, row = 0, col = 0;
  Pixel() = default;
  __device__ Pixel(int index, int h, int w) : sample(index / w / h), row(index / w % h), col(index % w) {}
};
/// What an index of [taps, channels] says.
struct Tap {
  int row, col, channel;
  __device__ Tap(int index, int kernel_w, int channels)
      : row(index / channels / kernel_w), col(index / channels % kernel_w), channel(index % channels) {}
};

/// Whether 16 bytes of channels, from a multiple of that within a group, are together and aligned; and
/// whether two are an aligned pair. Rows of memory are `pitch` elements, of which a group has `channels`.
template <class T>
bool whole_chunks(const T* data, std::int64_t pitch, std::int64_t channels) {
  return is_aligned(data, 16) && pitch % (16 / sizeof(T)) == 0 && channels % (16 / sizeof(T)) == 0;
}
template <class T>
bool whole_pairs(const T* data, std::int64_t pitch, std::int64_t channels) {
  return is_aligned(data, 2 * sizeof(T)) && pitch % 2 == 0 && channels % 2 == 0;
}

template <class A, class B, class C>
void multiply(const GemmShape& shape, const A& a, const B& b, const C& c) {
  if constexpr (std::is_same_v<typename A::Element, float>) {
    launch_sgemm(shape, a, b, c);
  } else {
    launch_mma_gemm(shape, a, b, c);
  }
}

/// Patches of x: output pixels by taps and input channels. Which of the two are the places of the operand and
/// which its depth, `pixels_are_places` says; memory runs along the channels.
template <class T, bool pixels_are_places>
struct Patches {
  using Element = T;
  static constexpr bool along_depth = pixels_are_places;
  Geometry g;
  const T* data;
  bool chunks;

  Patches(const Geometry& g, const T* x) : g(g), data(x), chunks(whole_chunks<T>(x, g.in_c, g.group_in)) {}
  /// Where the patch of a pixel begins, or a tap is within patches.
  struct Corner {
    int sample, row, col;
    __device__ static Corner of(const Geometry& g, int index) {
      const Pixel to(index, g.out_h, g.out_w);
      return {to.sample, to.row * g.stride_h - g.pad_h, to.col * g.stride_w - g.pad_w};
    }
  };
  struct Offset {
    int row, col, channel;
    __device__ static Offset of(const Geometry& g, int index) {
      const Tap tap(index, g.kernel_w, g.group_in);
      return {tap.row * g.dilation_h, tap.col * g.dilation_w, tap.channel};
    }
  };
  using Place = std::conditional_t<pixels_are_places, Corner, Offset>;
  struct Line {
    const Geometry* g;
    const T* x;
    Place place;
    __device__ const T* operator()(std::int64_t depth) const {
      if constexpr (pixels_are_places) {
        return at(place, Offset::of(*g, static_cast<int>(depth)));
      } else {
        return at(Corner::of(*g, static_cast<int>(depth)), place);
      }
    }
    __device__ const T* at(const Corner& patch, const Offset& tap) const {
      const int row = patch.row + tap.row, col = patch.col + tap.col;
      if (row < 0 || row >= g->in_h || col < 0 || col >= g->in_w) return nullptr;
      return x + std::int64_t{(patch.sample * g->in_h + row) * g->in_w + col} * g->in_c + tap.channel;
    }
  };
  struct OfGroup {
    const Geometry* g;
    const T* x;
    __device__ Line line(std::int64_t place) const { return {g, x, Place::of(*g, static_cast<int>(place))}; }
  };
  __device__ OfGroup of(std::int64_t group) const { return {&g, data + group * g.group_in}; }
};

/// The output whose tap reads input `position`: it is `valid` when there is one.
struct Reader {
  int output;
  bool valid;
  __device__ Reader(int position, int pad, int tap, int dilation, int stride, int outputs) {
    const int ahead = position + pad - tap * dilation;
    output = ahead / stride;
    valid = ahead >= 0 && ahead % stride == 0 && output < outputs;
  }
};

/// The gradients that reach an input pixel, by taps and output channels.
template <class T>
struct Readers {
  using Element = T;
  static constexpr bool along_depth = true;
  Geometry g;
  const T* data;
  bool chunks;

  Readers(const Geometry& g, const T* grad)
      : g(g), data(grad), chunks(whole_chunks<T>(grad, g.out_c, g.group_out)) {}
  struct Line {
    const Geometry* g;
    const T* grad;
    Pixel from;
    __device__ const T* operator()(std::int64_t index) const {
      const Tap tap(static_cast<int>(index), g->kernel_w, g->group_out);
      const Reader row(from.row, g->pad_h, tap.row, g->dilation_h, g->stride_h, g->out_h);
      const Reader col(from.col, g->pad_w, tap.col, g->dilation_w, g->stride_w, g->out_w);
      if (!row.valid || !col.valid) return nullptr;
      return grad + std::int64_t{(from.sample * g->out_h + row.output) * g->out_w + col.output} * g->out_c +
             tap.channel;
    }
  };
  struct OfGroup {
    const Geometry* g;
    const T* grad;
    __device__ Line line(std::int64_t input) const {
      return {g, grad, Pixel(static_cast<int>(input), g->in_h, g->in_w)};
    }
  };
  __device__ OfGroup of(std::int64_t group) const { return {&g, data + group * g.group_out}; }
};

// ---- forward: [outputs, taps·in] · [taps·in, out] ----

/// Output channels by taps and input channels.
template <class T>
struct ForwardWeight {
  using Element = T;
  static constexpr bool along_depth = true;
  const T* data;
  std::int64_t depth, group_out;
  bool chunks;

  ForwardWeight(const Geometry& g, const T* weight)
      : data(weight),
        depth(g.taps * g.group_in),
        group_out(g.group_out),
        chunks(whole_chunks<T>(weight, depth, depth)) {}
  __device__ Matrix<T> of(std::int64_t group) const { return {data + group * group_out * depth, depth, 1}; }
};
template <class T>
struct ForwardResult {
  using Element = T;
  T* y;
  const T *bias, *residual;  ///< or null
  bool relu;
  std::int64_t out_c, group_out;
  bool pairs;

  ForwardResult(const Geometry& g, const View& y, const Conv2dEpilogue& e)
      : y(y.as<T>()),
        bias(static_cast<const T*>(e.bias.data)),
        residual(static_cast<const T*>(e.residual.data)),
        relu(e.relu),
        out_c(g.out_c),
        group_out(g.group_out),
        pairs(whole_pairs(this->y, out_c, group_out)) {}
  __device__ T* at(std::int64_t group, std::int64_t, std::int64_t row, std::int64_t col) const {
    return y + row * out_c + group * group_out + col;
  }
  __device__ T finish(std::int64_t group, std::int64_t row, std::int64_t col, float sum) const {
    const std::int64_t channel = group * group_out + col;
    if (bias != nullptr) sum += widen(bias[channel]);
    if (residual != nullptr) sum += widen(residual[row * out_c + channel]);
    return narrow<T>(relu && sum < 0 ? 0 : sum);
  }
};

template <class T>
void conv2d_forward(Context&, View x, View weight, View y, const Conv2dParams& params,
                    const Conv2dEpilogue& e) {
  const Geometry g(x, weight, y, params);
  multiply({.batch = g.groups, .m = g.outputs(), .n = g.group_out, .k = std::int64_t{g.taps} * g.group_in},
           Patches<T, true>(g, x.as<T>()), ForwardWeight<T>(g, weight.as<T>()), ForwardResult<T>(g, y, e));
}

// ---- backward to the input: [inputs, taps·out] · [taps·out, in] ----

/// Input channels by taps and output channels.
template <class T>
struct InputWeight {
  using Element = T;
  static constexpr bool along_depth = false;
  Geometry g;
  const T* data;
  bool chunks;

  InputWeight(const Geometry& g, const T* weight)
      : g(g), data(weight), chunks(whole_chunks<T>(weight, g.group_in, g.group_in)) {}
  struct Line {
    const Geometry* g;
    const T* weight;  ///< of the input channel
    __device__ const T* operator()(std::int64_t k) const {
      const int tap = static_cast<int>(k) / g->group_out, channel = static_cast<int>(k) % g->group_out;
      return weight + (channel * g->taps + tap) * g->group_in;
    }
  };
  struct OfGroup {
    const Geometry* g;
    const T* weight;
    __device__ Line line(std::int64_t col) const { return {g, weight + col}; }
  };
  __device__ OfGroup of(std::int64_t group) const {
    return {&g, data + group * g.group_out * g.taps * g.group_in};
  }
};
template <class T>
struct InputResult {
  using Element = T;
  T* grad_x;
  std::int64_t in_c, group_in;
  bool pairs;

  InputResult(const Geometry& g, T* grad_x)
      : grad_x(grad_x), in_c(g.in_c), group_in(g.group_in), pairs(whole_pairs(grad_x, in_c, group_in)) {}
  __device__ T* at(std::int64_t group, std::int64_t, std::int64_t row, std::int64_t col) const {
    return grad_x + row * in_c + group * group_in + col;
  }
  __device__ T finish(std::int64_t, std::int64_t, std::int64_t, float sum) const { return narrow<T>(sum); }
};

template <class T>
void backward_input(Context&, View grad, View weight, View grad_x, const Conv2dParams& params) {
  const Geometry g(grad_x, weight, grad, params);
  multiply({.batch = g.groups, .m = g.inputs(), .n = g.group_in, .k = std::int64_t{g.taps} * g.group_out},
           Readers<T>(g, grad.as<T>()), InputWeight<T>(g, weight.as<T>()), InputResult<T>(g, grad_x.as<T>()));
}

// ---- backward to the weight: [out, outputs] · [outputs, taps·in] ----

/// Output channels by output pixels.
template <class T>
struct WeightGrad {
  using Element = T;
  static constexpr bool along_depth = false;
  const T* data;
  std::int64_t out_c, group_out;
  bool chunks;

  WeightGrad(const Geometry& g, const T* grad)
      : data(grad), out_c(g.out_c), group_out(g.group_out), chunks(whole_chunks<T>(grad, out_c, group_out)) {}
  __device__ Matrix<T> of(std::int64_t group) const { return {data + group * group_out, 1, out_c}; }
};
/// Portion `split` of the sum, for the second launch.
struct WeightPartial {
  using Element = float;
  float* partial;
  std::int64_t groups, m, n;
  bool pairs;

  WeightPartial(float* partial, const GemmShape& shape)
      : partial(partial),
        groups(shape.batch),
        m(shape.m),
        n(shape.n),
        pairs(whole_pairs(partial, shape.n, shape.n)) {}
  __device__ float* at(std::int64_t group, std::int64_t split, std::int64_t row, std::int64_t col) const {
    return partial + ((split * groups + group) * m + row) * n + col;
  }
  __device__ float finish(std::int64_t, std::int64_t, std::int64_t, float sum) const { return sum; }
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
  // Of pixels: enough for many blocks where the weight is small, and whole steps of the product.
  constexpr std::int64_t kPortion = 1024, kMostSplits = 64, kMultiple = 64;
  const Geometry g(x, grad_weight, grad, params);
  const std::int64_t share = std::max(kPortion, (g.outputs() + kMostSplits - 1) / kMostSplits);
  const std::int64_t portion = (share + kMultiple - 1) / kMultiple * kMultiple;
  const GemmShape shape{.batch = g.groups,
                        .m = g.group_out,
                        .n = std::int64_t{g.taps} * g.group_in,
                        .k = g.outputs(),
                        .splits = std::max<std::int64_t>(1, (g.outputs() + portion - 1) / portion),
                        .portion = portion};
  const std::int64_t count = grad_weight.numel();
  float* partial = context.workspace_of<float>(static_cast<std::size_t>(count * shape.splits));
  multiply(shape, WeightGrad<T>(g, grad.as<T>()), Patches<T, false>(g, x.as<T>()),
           WeightPartial(partial, shape));
  launch_elements<add_portions_kernel<T>>(count, partial, shape.splits, grad_weight.as<T>());
}

TSR_VARIANT_KERNEL(kHandwritten, conv2d_fwd, conv2d_forward, float, BFloat16, Float16);
TSR_VARIANT_KERNEL(kHandwritten, conv2d_bwd_input, backward_input, float, BFloat16, Float16);
TSR_VARIANT_KERNEL(kHandwritten, conv2d_bwd_weight, backward_weight, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
