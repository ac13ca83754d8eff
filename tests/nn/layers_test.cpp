// Convolution layers: shapes, options by axis, and PyTorch's layout.
#include "nn/layers.h"

#include <cmath>
#include <doctest/doctest.h>

#include "nn/torch_state.h"
#include "tests/nn/draw.h"

namespace tsr::test {
TEST_CASE("a convolution takes its options by axis, and groups") {
  Conv2d layer({.in = 4,
                .out = 6,
                .kernel = {3, 2},
                .stride = {2, 1},
                .padding = {1, 0},
                .dilation = {1, 2},
                .groups = 2});
  CHECK(layer.weight.tensor().shape() == Shape{6, 3, 2, 2});
  const Tensor x = draw({2, 7, 6, 4});
  const Tensor y = layer(x);
  CHECK(y.shape() == Shape{2, 4, 4, 6});
  const Tensor same =
      conv2d(x, layer.weight, layer.bias, {.stride_h = 2, .pad_h = 1, .dilation_w = 2, .groups = 2});
  CHECK(max(abs(y - same)).item() == 0);
}

TEST_CASE("a transposed convolution undoes a convolution's shape and has PyTorch's layout outside") {
  Conv2d down({.in = 4, .out = 6, .kernel = 3, .stride = 2, .padding = 1});
  ConvTranspose2d up(
      {.in = 6, .out = 4, .kernel = 3, .stride = 2, .padding = 1, .output_padding = {0, 1}, .groups = 2});
  const Tensor x = draw({2, 7, 8, 4});
  CHECK(up(down(x)).shape() == x.shape());
  CHECK(up.weight.tensor().shape() == Shape{6, 3, 3, 2});
  const TensorMap outside = torch_state_dict(up);
  CHECK(outside.at("weight").shape() == Shape{6, 2, 3, 3});
  ConvTranspose2d other(up.options);
  fill_with(other.weight.tensor(), 0);
  load_torch_state_dict(other, outside, "test");
  CHECK(max(abs(other.weight.tensor() - up.weight.tensor())).item() == 0);
}

TEST_CASE("convolutions start with the variance that their documentation says") {
  seed_init(3);
  Conv2d wide({.in = 64, .out = 128, .kernel = 3, .groups = 4});
  ConvTranspose2d up({.in = 128, .out = 64, .kernel = {2, 3}});
  CHECK(var(wide.weight).item() == doctest::Approx(2.0 / (9 * 128)).epsilon(0.05));
  CHECK(var(up.weight).item() == doctest::Approx(2.0 / (6 * 128)).epsilon(0.05));
  CHECK(max(abs(up.bias)).item() == 0);
}

TEST_CASE("convolution layers print what isn't usual about them") {
  CHECK(Conv2d({.in = 2, .out = 4, .kernel = {3, 1}, .groups = 2}).label() ==
        "Conv2d(in = 2, out = 4, kernel = {3, 1}, groups = 2)");
  CHECK(
      ConvTranspose2d({.in = 2, .out = 4, .kernel = 2, .stride = 2, .output_padding = {0, 1}, .bias = false})
          .label() ==
      "ConvTranspose2d(in = 2, out = 4, kernel = 2, stride = 2, bias = false, output_padding = {0, 1})");
}

TEST_CASE("convolution layers refuse options that can't be") {
  CHECK_THROWS_WITH_AS(Conv2d({.in = 4, .out = 6, .groups = 4}),
                       "Conv2d: groups = 4 must divide in = 4 and out = 6", Error);
  CHECK_THROWS_WITH_AS(
      ConvTranspose2d({.in = 4, .out = 6, .kernel = {3, 0}}),
      "ConvTranspose2d: in = 4, out = 6, kernel = 3x0, stride = 1x1, dilation = 1x1, padding = "
      "0x0; all must be positive, padding at least 0",
      Error);
}

}  // namespace tsr::test
