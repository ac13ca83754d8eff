// Cases of the matrix products.
#include <algorithm>
#include <array>
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "cuda/emulator/grid.h"
#include "tensor/kernels.h"
#include "tensor/random.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

/// The matrix of x that belongs to matrix `flat` of a product with these leading axes.
const double* matrix_of(const Tensor& x, const Shape& batch, std::int64_t flat) {
  std::int64_t offset = 0, step = x.size(-1) * x.size(-2);
  for (int axis = batch.rank() - 1; axis >= 0; --axis) {
    const std::int64_t position = flat % batch[axis];
    flat /= batch[axis];
    const int own = axis - (batch.rank() - (x.rank() - 2));
    if (own < 0) continue;
    if (x.shape()[own] != 1) offset += position * step;
    step *= x.shape()[own];
  }
  return x.data<double>() + offset;
}

Tensor product(const Tensor& a, const Tensor& b) {
  const std::int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  const auto leading = [](const Tensor& x) {
    return Shape({x.shape().begin(), static_cast<std::size_t>(x.rank() - 2)});
  };
  const Shape batch = broadcast_shapes("product", leading(a), leading(b));
  Shape shape = batch;
  shape.push_back(m);
  shape.push_back(n);
  Tensor y = zeros(shape, float64);
  for (std::int64_t p = 0; p < batch.numel(); ++p) {
    const double *left = matrix_of(a, batch, p), *right = matrix_of(b, batch, p);
    double* to = y.data<double>() + p * m * n;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j)
        for (std::int64_t l = 0; l < k; ++l) to[i * n + j] += left[i * k + l] * right[l * n + j];
  }
  return y;
}

Variant pair(const Shape& a, const Shape& b, bool strided = false, bool gradients = true) {
  return {{{a, Values::normal, 0, strided}, {b, Values::normal, 0, strided}}, gradients};
}

Tensor transposed_product(const Tensors& x) { return matmul(transpose(x[0]), transpose(x[1])); }

/// The plain reference needs dense operands.
Tensor swapped(const Tensor& x) { return transpose(x).clone(); }

Tensor linear_reference(const Tensors& x) {
  Tensor y = product(reshape(x[0], {x[0].numel() / std::max<std::int64_t>(x[0].size(-1), 1), x[0].size(-1)}),
                     swapped(x[1]));
  if (x.size() > 2)
    for (std::int64_t i = 0; i < y.numel(); ++i) y.data<double>()[i] += x[2].data<double>()[i % y.size(-1)];
  Shape shape = x[0].shape();
  shape[shape.rank() - 1] = x[1].size(0);
  return reshape(y, shape);
}

const bool matmul_cases[] = {
    add_case(
        {.name = "matmul",
         .kernels = {"matmul_fwd"},
         .call = [](const Tensors& x) { return matmul(x[0], x[1]); },
         .reference = [](const Tensors& x) { return product(x[0], x[1]); },
         .variants = {pair({0, 3}, {3, 2}), pair({2, 0}, {0, 3}), pair({1, 1}, {1, 1}), pair({3, 5}, {5, 2}),
                      pair({3, 5}, {5, 2}, true), pair({2, 3, 4}, {4, 5}), pair({2, 3, 4}, {4, 5}, true),
                      pair({3, 4}, {2, 4, 5}), pair({2, 3, 4}, {2, 4, 2}), pair({2, 1, 3, 4}, {3, 4, 2}),
                      pair({1, 3, 2, 4}, {2, 1, 4, 3}, true), pair({2, 3, 2, 4}, {2, 3, 4, 3}, true),
                      pair({67, 130}, {130, 35}, false, false), pair({5, 66, 40}, {5, 40, 70}, false, false),
                      // rows of whole 16 bytes in bfloat16, and not; beyond a tile of the tensor cores
                      pair({70, 40}, {40, 72}, false, false), pair({66, 33}, {33, 67}, false, false),
                      pair({2, 24, 16}, {16, 24}, false, false), pair({65, 48}, {48, 72}, true, false)},
         .tolerance32 = 1e-4,
         .benchmark = {{{1024, 1024}}, {{1024, 1024}}}}),
    add_case({.name = "matmul",
              .kernels = {"matmul_fwd"},
              .call = transposed_product,
              .reference = [](const Tensors& x) { return product(swapped(x[0]), swapped(x[1])); },
              .variants = {pair({5, 3}, {2, 5}), pair({3, 5, 2}, {3, 4, 5}), pair({2, 4, 3}, {5, 4}),
                           pair({130, 67}, {35, 130}, false, false), pair({40, 72}, {80, 40}, false, false),
                           pair({2, 40, 24}, {72, 40}, false, false)},
              .tolerance32 = 1e-4}),
    add_case({.name = "linear",
              .kernels = {"linear_fwd"},
              .call = [](const Tensors& x) { return linear(x[0], x[1], x[2]); },
              .reference = linear_reference,
              .variants = {{{{{4, 3}}, {{5, 3}}, {{5}}}},
                           {{{{0, 3}}, {{5, 3}}, {{5}}}},
                           {{{{7}}, {{2, 7}}, {{2}}}},
                           {{{{2, 3, 4}}, {{3, 4}}, {{3}}}},
                           {{{{2, 3, 4}, Values::normal, 0, true}, {{3, 4}, Values::normal, 0, true}, {{3}}}},
                           {{{{4, 3}}, {{5, 3}}, {{5}, Values::normal, 0, true}}},
                           {{{{70, 65}}, {{131, 65}}, {{131}}}, false},
                           {{{{3, 2000}}, {{5, 2000}}, {{5}}}, false},
                           {{{{72, 48}}, {{80, 48}}, {{80}}}, false}},
              .tolerance32 = 1e-4,
              .benchmark = {{{4096, 512}}, {{2048, 512}}, {{2048}}}}),
    add_case({.name = "linear",
              .kernels = {"linear_fwd"},
              .call = [](const Tensors& x) { return linear(x[0], x[1]); },
              .reference = linear_reference,
              .variants = {{{{{4, 3}}, {{5, 3}}}}}}),
};

TEST_CASE("matmul names the sizes that differ and the transpose that would fit") {
  CHECK_THROWS_WITH_AS(
      matmul(zeros({32, 784}), zeros({10, 784})),
      "matmul: a float32[32, 784] x b float32[10, 784]: inner sizes 784 and 10 differ; did you "
      "mean transpose(b)?",
      Error);
  CHECK_THROWS_WITH_AS(
      matmul(zeros({784, 32}), zeros({784, 10})),
      "matmul: a float32[784, 32] x b float32[784, 10]: inner sizes 32 and 784 differ; did you "
      "mean transpose(a)?",
      Error);
  CHECK_THROWS_WITH_AS(matmul(zeros({3, 4}), zeros({5, 6})),
                       "matmul: a float32[3, 4] x b float32[5, 6]: inner sizes 4 and 5 differ", Error);
  CHECK_THROWS_WITH_AS(
      matmul(zeros({3}), zeros({3, 6})),
      "matmul: a float32[3] x b float32[3, 6]: both need two axes at least; reshape a vector to "
      "a row or a column",
      Error);
  CHECK_THROWS_WITH_AS(
      matmul(zeros({2, 3, 4}), zeros({3, 4, 5})),
      "matmul: a float32[2, 3, 4] x b float32[3, 4, 5]: leading sizes 2 and 3 differ and neither is 1",
      Error);
}

/// Float32 goes through these variants while one lives.
struct Tf32OnEmu {
  Tf32OnEmu() { choose("tf32"); }
  ~Tf32OnEmu() { choose("handwritten"); }
  static void choose(const char* variant) {
    for (KernelSlot* slot : {static_cast<KernelSlot*>(&matmul_fwd), static_cast<KernelSlot*>(&linear_fwd)})
      slot->choose(Device::emu, variant);
  }
};

TEST_CASE("float32 is multiplied as tf32 when that is chosen, and not otherwise") {
  Generator generator(3);
  const Tensor a = normal({70, 44}, generator), b = normal({44, 36}, generator),
               weight = normal({36, 44}, generator), bias = normal({36}, generator);
  const Tensor exact = matmul(a.to(float64), b.to(float64)),
               exact_linear = linear(a.to(float64), weight.to(float64), bias.to(float64));
  const auto error = [](const Tensor& y, const Tensor& reference) {
    const Tensor host = y.to(Device::cpu).to(float64);
    double largest = 0;
    for (std::int64_t i = 0; i < host.numel(); ++i)
      largest = std::max(largest, std::abs(host.data<double>()[i] - reference.data<double>()[i]));
    return largest;
  };
  const auto errors = [&] {
    return std::array{
        error(matmul(a.to(Device::emu), b.to(Device::emu)), exact),
        error(linear(a.to(Device::emu), weight.to(Device::emu), bias.to(Device::emu)), exact_linear)};
  };
  const auto on_tensor_cores = [] { return emu::launch_count("mma_gemm_kernel"); };
  const std::size_t before = on_tensor_cores();
  for (const double e : errors()) CHECK(e < 1e-5);
  CHECK(on_tensor_cores() == before);
  {
    const Tf32OnEmu chosen;
    for (const double e : errors()) {
      CHECK(e > 1e-4);  // 10 bits of each factor, and 44 products
      CHECK(e < 1e-2);
    }
    CHECK(on_tensor_cores() == before + 2);
  }
  for (const double e : errors()) CHECK(e < 1e-5);
}

TEST_CASE("linear names what doesn't fit its weight") {
  CHECK_THROWS_WITH_AS(linear(zeros({2, 3}), zeros({3, 4})),
                       "linear: x float32[2, 3], weight float32[3, 4]: inner sizes 3 and 4 differ; weight is "
                       "[out, in], did you mean transpose(weight)?",
                       Error);
  CHECK_THROWS_WITH_AS(linear(zeros({2, 3}), zeros({4, 3}), zeros({3})),
                       "linear: bias float32[3] for weight float32[4, 3]; need one value an output, [4]",
                       Error);
}

}  // namespace
}  // namespace tsr::test
