// The doors of cuBLAS and cuDNN: what they refuse, and what their stand-ins compute of the rest.
#include <cstdlib>
#include <doctest/doctest.h>
#include <functional>
#include <vector>

#include "autograd/ops.h"
#include "cuda/blas.h"
#include "cuda/dnn.h"
#include "cuda/variants.h"
#include "tensor/kernels.h"
#include "tensor/random.h"
#include "tests/cuda/raises.h"

namespace tsr::test {
namespace {

Tensor draw(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return normal(shape, generator);
}

/// A product of 2 x 3 by 3 x 4 that is right, in host memory.
struct Product {
  std::vector<float> a = std::vector<float>(6), b = std::vector<float>(12), c = std::vector<float>(8),
                     bias = std::vector<float>(2);
  blas::Gemm gemm{.m = 2,
                  .n = 4,
                  .k = 3,
                  .a = {.data = a.data(), .ld = 2},
                  .b = {.data = b.data(), .ld = 3},
                  .c = c.data(),
                  .ldc = 2};
};

void check_refused(const std::function<void(Product&)>& spoil, const char* message) {
  Product product;
  blas::check(product.gemm);
  spoil(product);
  CHECK_RAISES(blas::check(product.gemm), "cublas: gemm: ", message);
}

TEST_CASE("a product that cuBLAS would refuse or misread is refused") {
  check_refused([](Product& p) { p.gemm.dtype = DType::float64; },
                "dtype float64; need float32, bfloat16 or float16");
  check_refused([](Product& p) { p.gemm.k = 0; }, "m 2, n 4, k 0, batch 1; all must be at least 1");
  check_refused([](Product& p) { p.gemm.a.ld = 1; }, "A has ld 1, less than its 2 stored rows");
  check_refused([](Product& p) { p.gemm.a.transposed = true; },
                "A (transposed) has ld 2, less than its 3 stored rows");
  check_refused([](Product& p) { p.gemm.b.ld = 2; }, "B has ld 2, less than its 3 stored rows");
  check_refused([](Product& p) { p.gemm.ldc = 1; }, "C has ld 1, less than its 2 rows");
  check_refused([](Product& p) { p.gemm.b.batch_stride = -12; }, "B has batch stride -12, below 0");
  check_refused([](Product& p) { p.gemm.batch = 2, p.gemm.batch_stride_c = 7; },
                "C has batch stride 7, so that the results of a batch overlap");
  check_refused([](Product& p) { p.gemm.b.data = nullptr; }, "B is null");
  check_refused([](Product& p) { p.gemm.c = reinterpret_cast<std::byte*>(p.c.data()) + 2; },
                "C lies between two elements of float32");
  check_refused([](Product& p) { p.gemm.c = p.b.data() + 11, p.gemm.ldc = 2; }, "C overlaps B");
  check_refused([](Product& p) { p.gemm.bias = p.bias.data(), p.gemm.beta = 1; },
                "a bias excludes beta (1) and a batch (1)");
  check_refused([](Product& p) { p.gemm.bias = p.c.data() + 7; }, "C overlaps bias");
}

/// A convolution of two 5 x 4 images of 2 channels by 3 filters of 3 x 3 that is right.
struct Filtering {
  std::vector<float> x = std::vector<float>(80), filters = std::vector<float>(54),
                     y = std::vector<float>(120);
  dnn::ConvolutionCall call{.convolution = {.x = {.n = 2, .c = 2, .h = 5, .w = 4},
                                            .y = {.n = 2, .c = 3, .h = 5, .w = 4},
                                            .filters = {.k = 3, .c = 2, .h = 3, .w = 3},
                                            .pad_h = 1,
                                            .pad_w = 1},
                            .x = x.data(),
                            .filters = filters.data(),
                            .y = y.data()};
};

void check_refused(const std::function<void(Filtering&)>& spoil, const char* message) {
  Filtering filtering;
  dnn::check(filtering.call);
  spoil(filtering);
  CHECK_RAISES(dnn::check(filtering.call), "cudnn: convolution: ", message);
}

TEST_CASE("a convolution that cuDNN would refuse or misread is refused") {
  check_refused([](Filtering& f) { f.call.convolution.dtype = DType::int32; }, "dtype int32");
  check_refused([](Filtering& f) { f.call.convolution.x.n = 0; },
                "x has a size of 0; all must be at least 1");
  check_refused([](Filtering& f) { f.call.convolution.x.h = 1 << 29; }, "x has more than 2^31 - 1 elements");
  check_refused([](Filtering& f) { f.call.convolution.stride_w = 0; },
                "padding 1x1, stride 1x0, dilation 1x1; padding at least 0, the others at least 1");
  check_refused([](Filtering& f) { f.call.convolution.groups = 2; },
                "2 groups of 2 channels into 3 by filters of 2");
  // what a caller gets who gives sizes in the order h, w, c
  check_refused([](Filtering& f) { f.call.convolution.y = {.n = 2, .c = 5, .h = 4, .w = 3}; },
                "y is n 2, c 5, h 4, w 3; the convolution makes 2, 3, 5, 4");
  check_refused([](Filtering& f) { f.call.convolution.stride_h = 2; },
                "y is n 2, c 3, h 5, w 4; the convolution makes 2, 3, 3, 4");
  check_refused([](Filtering& f) { f.call.filters = nullptr; }, "filters is null");
  check_refused([](Filtering& f) { f.call.y = f.x.data() + 79; }, "y overlaps x");
  check_refused(
      [](Filtering& f) {
        f.call.convolution.result = dnn::Pass::filters;
        f.call.y = f.filters.data();
      },
      "filters overlaps y");
}

/// Element (i, j) of an operand as the BLAS defines it.
double element(const blas::Operand& x, std::int64_t matrix, std::int64_t i, std::int64_t j) {
  const auto* data = static_cast<const float*>(x.data) + matrix * x.batch_stride;
  return data[x.transposed ? j + i * x.ld : i + j * x.ld];
}

TEST_CASE("cuBLAS's stand-in honours transposes, leading dimensions, batches, alpha and beta") {
  constexpr std::int64_t m = 3, n = 2, k = 4, batch = 2, ldc = 5, step_c = 12, ld = 6, step = 40;
  const Tensor a = draw({2 * step}, 1), b = draw({2 * step}, 2), c = draw({batch * step_c}, 3);
  for (const bool transposed_a : {false, true})
    for (const bool transposed_b : {false, true})
      for (const std::int64_t step_a : {std::int64_t{0}, step}) {
        const Tensor there = c.to(Device::emu), a_there = a.to(Device::emu), b_there = b.to(Device::emu);
        blas::Gemm gemm{.m = m,
                        .n = n,
                        .k = k,
                        .batch = batch,
                        .alpha = 0.5f,
                        .beta = -2,
                        .a = {a_there.view().data, transposed_a, ld, step_a},
                        .b = {b_there.view().data, transposed_b, ld, step},
                        .c = there.view().data,
                        .ldc = ldc,
                        .batch_stride_c = step_c};
        Context context(Device::emu);
        emu::gemm(context, gemm);
        gemm.a.data = a.data<float>(), gemm.b.data = b.data<float>();
        const Tensor result = there.to(Device::cpu);
        for (std::int64_t at = 0; at < result.numel(); ++at) {
          const std::int64_t matrix = at / step_c, i = at % step_c % ldc, j = at % step_c / ldc;
          double expected = c.data<float>()[at];  // gaps between columns and matrices stay
          if (i < m && j < n) {
            expected *= -2;
            for (std::int64_t l = 0; l < k; ++l)
              expected += 0.5 * element(gemm.a, matrix, i, l) * element(gemm.b, matrix, l, j);
          }
          CHECK(result.data<float>()[at] == doctest::Approx(expected).epsilon(1e-5));
        }
      }
}

TEST_CASE("cuDNN's stand-in blends each pass with what its result held") {
  const Conv2dParams p{.stride_h = 2, .pad_h = 1, .pad_w = 1, .groups = 2};
  const Tensor x = draw({2, 5, 4, 4}, 1), filters = draw({6, 3, 3, 2}, 2), y = draw({2, 3, 4, 6}, 3);
  for (const dnn::Pass pass : {dnn::Pass::y, dnn::Pass::x, dnn::Pass::filters}) {
    Tensor x_leaf = x.clone(), filters_leaf = filters.clone();
    const Tensor& held = pass == dnn::Pass::y ? y : pass == dnn::Pass::x ? x : filters;
    Tensor plain;
    if (pass == dnn::Pass::y) {
      plain = conv2d(x, filters, {}, p);
    } else {
      Tensor& wanted = pass == dnn::Pass::x ? x_leaf : filters_leaf;
      wanted.requires_grad_();
      plain = grad(conv2d(x_leaf, filters_leaf, {}, p), {wanted}, y)[0];
    }
    const Tensor x_there = x.to(Device::emu), filters_there = filters.to(Device::emu),
                 y_there = y.to(Device::emu);
    Context context(Device::emu);
    emu::convolve(context, {.convolution = {.result = pass,
                                            .x = {.n = 2, .c = 4, .h = 5, .w = 4},
                                            .y = {.n = 2, .c = 6, .h = 3, .w = 4},
                                            .filters = {.k = 6, .c = 2, .h = 3, .w = 3},
                                            .pad_h = 1,
                                            .pad_w = 1,
                                            .stride_h = 2,
                                            .groups = 2},
                            .x = x_there.view().data,
                            .filters = filters_there.view().data,
                            .y = y_there.view().data,
                            .alpha = 2,
                            .beta = -0.5});
    const Tensor result = (pass == dnn::Pass::y   ? y_there
                           : pass == dnn::Pass::x ? x_there
                                                  : filters_there)
                              .to(Device::cpu);
    for (std::int64_t i = 0; i < result.numel(); ++i)
      CHECK(result.data<float>()[i] ==
            doctest::Approx(2 * plain.data<float>()[i] - 0.5 * held.data<float>()[i]).epsilon(1e-4));
  }
}

/// conv2d_fwd with everything that its epilogue may hold, on a device by a variant.
Tensor with_epilogue(Device device, bool biased, bool residual, bool relu) {
  const Tensor x = draw({2, 5, 4, 3}, 1).to(device), weight = draw({6, 3, 3, 3}, 2).to(device),
               bias = draw({6}, 3).to(device), rest = draw({2, 5, 4, 6}, 4).to(device),
               y = empty({2, 5, 4, 6}, float32, device);
  Context context(device);
  conv2d_fwd(
      context, x.view(), weight.view(), y.view(), {.pad_h = 1, .pad_w = 1},
      {.bias = biased ? bias.view() : View{}, .residual = residual ? rest.view() : View{}, .relu = relu});
  return y.to(Device::cpu);
}

TEST_CASE("a convolution's epilogue is the same on the host, by hand and through the door") {
  for (const char* variant : {kLibrary.name, kHandwritten.name}) {
    choose_variant(Device::emu, variant);
    for (const bool biased : {false, true})
      for (const bool residual : {false, true})
        for (const bool relu : {false, true}) {
          const Tensor here = with_epilogue(Device::cpu, biased, residual, relu),
                       there = with_epilogue(Device::emu, biased, residual, relu);
          INFO(variant, biased, residual, relu);
          for (std::int64_t i = 0; i < here.numel(); ++i)
            CHECK(there.data<float>()[i] == doctest::Approx(here.data<float>()[i]).epsilon(1e-4));
        }
  }
}

TEST_CASE("a variant that nobody has is refused") {
  CHECK_RAISES(choose_variant(Device::emu, "vendor"), "no kernel has a variant 'vendor' on emu");
  CHECK_RAISES(matmul_fwd.choose(Device::cpu, "library"), "matmul_fwd: no variant 'library' on cpu");
}

}  // namespace
}  // namespace tsr::test
