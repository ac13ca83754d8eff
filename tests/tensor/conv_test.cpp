// Convolution and its gradients against plain float64 loops.
#include "tensor/cpu/conv.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tests/tensor/values.h"

namespace {

using std::int64_t;
using namespace tsr;
using namespace tsr::cpu;
using tsr::test::values;

int64_t x_size(const Conv2dGeometry& g) { return g.batch * g.in_h * g.in_w * g.in_c; }
int64_t y_size(const Conv2dGeometry& g) { return g.batch * g.out_h() * g.out_w() * g.out_c; }
int64_t weight_size(const Conv2dGeometry& g) {
  return g.out_c * g.kernel_h * g.kernel_w * (g.in_c / g.groups);
}

/// Calls term(x index, weight index, y index) for every product that a convolution sums.
template <class Term>
void for_each_term(const Conv2dGeometry& g, Term&& term) {
  const int64_t channels = g.in_c / g.groups, outputs = g.out_c / g.groups;
  for (int64_t y = 0; y < y_size(g); ++y) {
    const int64_t o = y % g.out_c, ox = y / g.out_c % g.out_w(), oy = y / g.out_c / g.out_w() % g.out_h();
    const int64_t n = y / g.out_c / g.out_w() / g.out_h();
    for (int64_t tap = 0; tap < g.kernel_h * g.kernel_w; ++tap) {
      const int64_t iy = oy * g.stride_h - g.pad_h + tap / g.kernel_w * g.dilation_h;
      const int64_t ix = ox * g.stride_w - g.pad_w + tap % g.kernel_w * g.dilation_w;
      if (iy < 0 || iy >= g.in_h || ix < 0 || ix >= g.in_w) continue;
      const int64_t x = ((n * g.in_h + iy) * g.in_w + ix) * g.in_c + o / outputs * channels;
      const int64_t weight = (o * g.kernel_h * g.kernel_w + tap) * channels;
      for (int64_t c = 0; c < channels; ++c) term(x + c, weight + c, y);
    }
  }
}

/// A float64 sum and the magnitude of its terms, element by element.
struct Sums {
  std::vector<double> sum, magnitude;
  explicit Sums(int64_t count) : sum(static_cast<std::size_t>(count)), magnitude(sum) {}
  void add(int64_t index, double term) {
    sum[static_cast<std::size_t>(index)] += term;
    magnitude[static_cast<std::size_t>(index)] += std::abs(term);
  }
  /// The largest error in units of epsilon times the terms' magnitude.
  template <class T>
  double worst(const std::vector<T>& got) const {
    double result = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double error = std::abs(static_cast<double>(got[i]) - sum[i]);
      const double unit = std::numeric_limits<T>::epsilon() * (magnitude[i] + 1e-30);
      result = std::max(result, std::isfinite(got[i]) ? error / unit : 1e30);
    }
    return result;
  }
};

template <class T>
struct Results {
  std::vector<T> y, grad_x, grad_weight;
  bool operator==(const Results&) const = default;
};

/// All three products.
template <class T>
Results<T> run(const Conv2dGeometry& g, const std::vector<T>& x, const std::vector<T>& weight,
               const std::vector<T>& grad_y) {
  const auto unset = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
  Results<T> result{std::vector<T>(grad_y.size(), unset), std::vector<T>(x.size(), unset),
                    std::vector<T>(weight.size(), unset)};
  conv2d_forward(g, x.data(), weight.data(), result.y.data());
  conv2d_grad_input(g, grad_y.data(), weight.data(), result.grad_x.data());
  conv2d_grad_weight(g, grad_y.data(), x.data(), result.grad_weight.data());
  return result;
}

/// Those of reproducible noise.
template <class T>
Results<T> run(const Conv2dGeometry& g) {
  return run(g, values<T>(x_size(g), 1), values<T>(weight_size(g), 2), values<T>(y_size(g), 3));
}

template <class To, class From>
std::vector<To> converted(const std::vector<From>& values) {
  std::vector<To> result(values.size());
  std::ranges::transform(values, result.begin(), [](From value) { return static_cast<To>(float{value}); });
  return result;
}

template <class T>
void check_convolution(const Conv2dGeometry& g) {
  CAPTURE(g.batch);
  CAPTURE(g.in_h);
  CAPTURE(g.in_w);
  CAPTURE(g.in_c);
  CAPTURE(g.out_c);
  CAPTURE(g.kernel_h);
  CAPTURE(g.kernel_w);
  CAPTURE(g.stride_h);
  CAPTURE(g.pad_h);
  CAPTURE(g.dilation_w);
  CAPTURE(g.groups);
  const auto x = values<T>(x_size(g), 1), weight = values<T>(weight_size(g), 2),
             grad_y = values<T>(y_size(g), 3);
  Sums y(y_size(g)), grad_x(x_size(g)), grad_weight(weight_size(g));
  for_each_term(g, [&](int64_t i, int64_t w, int64_t o) {
    const double in = x[static_cast<std::size_t>(i)], tap = weight[static_cast<std::size_t>(w)];
    const double grad = grad_y[static_cast<std::size_t>(o)];
    y.add(o, in * tap);
    grad_x.add(i, grad * tap);
    grad_weight.add(w, grad * in);
  });
  const Results<T> got = run<T>(g);
  CHECK(y.worst(got.y) < 8);
  CHECK(grad_x.worst(got.grad_x) < 8);
  CHECK(grad_weight.worst(got.grad_weight) < 8);
}

Conv2dGeometry square(int64_t batch, int64_t size, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                      int64_t pad, int64_t dilation = 1, int64_t groups = 1) {
  return {.batch = batch,
          .in_h = size,
          .in_w = size,
          .in_c = in,
          .out_c = out,
          .kernel_h = kernel,
          .kernel_w = kernel,
          .stride_h = stride,
          .stride_w = stride,
          .pad_h = pad,
          .pad_w = pad,
          .dilation_h = dilation,
          .dilation_w = dilation,
          .groups = groups};
}

const std::vector<Conv2dGeometry> kGeometries = {
    square(1, 1, 1, 1, 1, 1, 0),             // the smallest
    square(2, 5, 3, 7, 1, 1, 0),             // a plain product
    square(2, 6, 5, 4, 1, 2, 0),             // most image pixels feed nothing
    square(3, 8, 3, 16, 3, 1, 1),            // CIFAR's stem
    square(2, 13, 3, 8, 7, 2, 3),            // ImageNet's stem
    square(2, 9, 1, 5, 3, 1, 1),             // one channel
    square(2, 10, 17, 33, 3, 1, 1),          // channels beside a vector's multiple
    square(2, 11, 6, 9, 3, 2, 1),            // stride on an odd size
    square(1, 12, 4, 6, 5, 3, 2),            // nine classes of pixels
    square(2, 9, 4, 6, 3, 1, 0),             // no padding
    square(1, 7, 2, 3, 3, 1, 5),             // padding beyond the kernel
    square(2, 12, 5, 7, 3, 1, 2, 2),         // dilation
    square(1, 14, 3, 4, 3, 2, 3, 3),         // stride and dilation without a common factor
    square(2, 6, 4, 4, 2, 2, 0, 2),          // and with one
    square(2, 4, 4, 6, 4, 1, 0),             // a kernel as large as the image
    square(2, 7, 3, 2, 2, 5, 0),             // stride beyond the kernel: untouched pixels
    square(2, 8, 12, 18, 3, 1, 1, 1, 3),     // groups
    square(2, 8, 6, 6, 3, 2, 1, 1, 6),       // depthwise
    square(2, 9, 37, 37, 3, 1, 1, 1, 37),    // depthwise over channels beside a vector's multiple
    square(2, 9, 6, 18, 3, 2, 1, 1, 6),      // depthwise with a multiplier
    square(1, 9, 2, 10, 3, 1, 1, 1, 2),      // a multiplier above the groups
    square(2, 5, 8, 12, 1, 1, 0, 1, 4),      // a plain product in groups
    square(18, 4, 64, 70, 3, 1, 1),          // position by position, padding skipped
    square(17, 5, 70, 64, 3, 2, 1),          // the same with stride and odd channels
    square(17, 4, 128, 128, 3, 1, 1, 1, 2),  // the same in groups
    square(16, 11, 64, 9, 3, 1, 1),          // blocks of several taps, some of them padding
    square(16, 9, 64, 9, 3, 1, 2, 2),        // taps apart, and a block without any image
    square(16, 12, 80, 9, 5, 2, 2),          // a block of depth that ends within a tap
    square(16, 2, 300, 64, 3, 1, 1),         // several blocks of depth a tap
    {.batch = 2,
     .in_h = 7,
     .in_w = 12,
     .in_c = 3,
     .out_c = 5,
     .kernel_h = 1,
     .kernel_w = 5,
     .stride_h = 2,
     .stride_w = 1,
     .pad_h = 0,
     .pad_w = 2,
     .dilation_h = 1,
     .dilation_w = 2},
    {.batch = 2,
     .in_h = 11,
     .in_w = 5,
     .in_c = 4,
     .out_c = 6,
     .kernel_h = 4,
     .kernel_w = 2,
     .stride_h = 1,
     .stride_w = 3,
     .pad_h = 2,
     .pad_w = 1,
     .dilation_h = 2,
     .dilation_w = 1},
};

TEST_CASE_TEMPLATE("convolution and both gradients equal plain loops", T, float, double) {
  for (const Conv2dGeometry& geometry : kGeometries) check_convolution<T>(geometry);
}

TEST_CASE("convolution's weight gradient over many pixels is summed in parts") {
  check_convolution<float>(square(40, 12, 3, 4, 3, 1, 1));
}

TEST_CASE("convolution of an empty batch has an empty image and zero weight gradient") {
  const Results<float> result = run<float>(square(0, 8, 3, 4, 3, 1, 1));
  CHECK(result.y.empty());
  CHECK(result.grad_weight == std::vector<float>(4 * 3 * 3 * 3, 0.0F));
}

TEST_CASE_TEMPLATE("convolution gives the same bits at any thread count", T, float, double) {
  const int before = thread_count();
  for (const Conv2dGeometry& geometry :
       {square(40, 12, 3, 4, 3, 1, 1), square(18, 4, 64, 70, 3, 1, 1), square(16, 11, 64, 9, 3, 1, 1),
        square(3, 16, 20, 40, 3, 2, 1), square(9, 20, 20, 40, 3, 2, 1, 1, 20),
        square(9, 20, 20, 40, 1, 1, 0)}) {
    set_thread_count(1);
    const Results<T> one = run<T>(geometry);
    for (int threads : {2, 3, 4}) {
      set_thread_count(threads);
      CHECK(run<T>(geometry) == one);
    }
  }
  set_thread_count(before);
}

/// y += bias of the channel + residual at the same place.
struct BiasResidual {
  const float *bias, *residual;
  static void apply(const void* state, const FinishedTile<float>& tile) {
    const auto& self = *static_cast<const BiasResidual*>(state);
    for (int64_t i = 0; i < tile.rows; ++i) {
      float* row = tile.data + tile.row_offsets[i];
      for (int64_t j = 0; j < tile.cols; ++j)
        row[j] += self.bias[tile.col + j] + self.residual[tile.place + tile.places[i] + j];
    }
  }
};

TEST_CASE("convolution's epilogue meets every element of y with its channel and place") {
  for (const Conv2dGeometry& g :
       {square(2, 8, 12, 18, 3, 1, 1, 1, 3), square(18, 4, 64, 70, 3, 1, 1), square(3, 9, 5, 40, 1, 1, 0),
        square(3, 9, 6, 40, 1, 1, 0, 1, 2), square(2, 8, 12, 24, 3, 2, 1, 1, 12)}) {
    const auto x = values<float>(x_size(g), 1), weight = values<float>(weight_size(g), 2);
    const auto bias = values<float>(g.out_c, 3), residual = values<float>(y_size(g), 4);
    std::vector<float> plain(residual.size()), fused(residual.size());
    conv2d_forward(g, x.data(), weight.data(), plain.data());
    const BiasResidual state{bias.data(), residual.data()};
    conv2d_forward(g, x.data(), weight.data(), fused.data(), {BiasResidual::apply, &state});
    bool equal = true;
    for (std::size_t i = 0; i < plain.size(); ++i) {
      equal = equal && fused[i] == plain[i] + (bias[i % static_cast<std::size_t>(g.out_c)] + residual[i]);
    }
    CHECK(equal);
  }
}

TEST_CASE_TEMPLATE("a 16-bit convolution is that of float32 on the same values, rounded once", Half, BFloat16,
                   Float16) {
  for (const Conv2dGeometry& g : kGeometries) {
    const auto x = values<Half>(x_size(g), 1), weight = values<Half>(weight_size(g), 2),
               grad_y = values<Half>(y_size(g), 3);
    const Results<float> wide =
        run(g, converted<float>(x), converted<float>(weight), converted<float>(grad_y));
    const Results<Half> got = run(g, x, weight, grad_y);
    CHECK((got.y == converted<Half>(wide.y)));
    CHECK((got.grad_x == converted<Half>(wide.grad_x)));
    CHECK((got.grad_weight == converted<Half>(wide.grad_weight)));

    const auto bias = values<float>(g.out_c, 4), residual = values<float>(y_size(g), 5);
    const BiasResidual state{bias.data(), residual.data()};
    std::vector<float> fused(grad_y.size());
    std::vector<Half> fused_half(grad_y.size());
    const auto wide_x = converted<float>(x), wide_weight = converted<float>(weight);
    conv2d_forward(g, wide_x.data(), wide_weight.data(), fused.data(), {BiasResidual::apply, &state});
    conv2d_forward(g, x.data(), weight.data(), fused_half.data(), {BiasResidual::apply, &state});
    CHECK((fused_half == converted<Half>(fused)));
  }
}

TEST_CASE("convolution refuses impossible geometries with the reason") {
  CHECK_THROWS_WITH_AS(square(1, 2, 1, 1, 5, 1, 0).check(), doctest::Contains("does not fit"), Error);
  CHECK_THROWS_WITH_AS(square(1, 8, 3, 4, 3, 1, 1, 1, 2).check(), doctest::Contains("groups must divide"),
                       Error);
  CHECK_THROWS_WITH_AS(square(1, 8, 3, 4, 3, 0, 1).check(), doctest::Contains("must be positive"), Error);
  CHECK_THROWS_WITH_AS(square(1, 8, 0, 4, 3, 1, 1).check(), doctest::Contains("every size must be positive"),
                       Error);
}

}  // namespace
