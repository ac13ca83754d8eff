// Convolution, pooling and resampling against PyTorch's values (tests/golden/spatial.py).
#include <cmath>
#include <doctest/doctest.h>
#include <fstream>
#include <nlohmann/json.hpp>

#include "autograd/ops.h"
#include "tests/golden/golden.h"

namespace tsr::test {
namespace {

using nlohmann::json;

/// The script's formula.
Tensor numbers(const Shape& shape, std::size_t which, double scale) {
  Tensor x = empty(shape, float64);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const auto at = static_cast<double>(i);
    x.data<double>()[i] =
        scale * (std::sin(1.7 * at + static_cast<double>(which)) + 0.3 * std::sin(0.37 * at));
  }
  return x;
}

Interpolation mode_of(const json& p) {
  const auto name = p.at("mode").get<std::string>();
  return name == "nearest"    ? Interpolation::nearest
         : name == "bilinear" ? Interpolation::bilinear
                              : Interpolation::bicubic;
}

Tensor run_resize(const Tensors& in, const json& p) {
  return resize(in[0], p["size"][0], p["size"][1], {mode_of(p), p["align"], p["antialias"]});
}

Tensor run_grid_sample(const Tensors& in, const json& p) {
  const auto name = p.at("padding").get<std::string>();
  const SamplePadding padding = name == "zeros"    ? SamplePadding::zeros
                                : name == "border" ? SamplePadding::border
                                                   : SamplePadding::reflection;
  return grid_sample(in[0], in[1], {mode_of(p), padding, p["align"]});
}

Tensor run_pool(Tensor (*pool)(const Tensor&, const Pool2dParams&), const Tensors& in, const json& p) {
  return pool(in[0], {.kernel_h = p["kernel"][0],
                      .kernel_w = p["kernel"][1],
                      .stride_h = p["stride"][0],
                      .stride_w = p["stride"][1],
                      .pad_h = p["pad"][0],
                      .pad_w = p["pad"][1],
                      .dilation_h = p["dilation"][0],
                      .dilation_w = p["dilation"][1],
                      .ceil_mode = p["ceil"],
                      .count_include_pad = p.value("count_pad", true)});
}

Tensor run_conv2d(const Tensors& in, const json& p) {
  return conv2d(in[0], in[1], in[2],
                {.stride_h = p["stride"][0],
                 .stride_w = p["stride"][1],
                 .pad_h = p["pad"][0],
                 .pad_w = p["pad"][1],
                 .dilation_h = p["dilation"][0],
                 .dilation_w = p["dilation"][1],
                 .groups = p["groups"]});
}

Tensor run_conv_transpose2d(const Tensors& in, const json& p) {
  return conv_transpose2d(in[0], in[1], in[2],
                          {.stride_h = p["stride"][0],
                           .stride_w = p["stride"][1],
                           .pad_h = p["pad"][0],
                           .pad_w = p["pad"][1],
                           .dilation_h = p["dilation"][0],
                           .dilation_w = p["dilation"][1],
                           .groups = p["groups"],
                           .output_pad_h = p["output_pad"][0],
                           .output_pad_w = p["output_pad"][1]});
}

Tensor run(const std::string& op, const Tensors& in, const json& p) {
  if (op == "resize") return run_resize(in, p);
  if (op == "grid_sample") return run_grid_sample(in, p);
  if (op == "max_pool2d") return run_pool(max_pool2d, in, p);
  if (op == "avg_pool2d") return run_pool(avg_pool2d, in, p);
  if (op == "adaptive_avg_pool2d") return adaptive_avg_pool2d(in[0], p["size"][0], p["size"][1]);
  if (op == "adaptive_max_pool2d") return adaptive_max_pool2d(in[0], p["size"][0], p["size"][1]);
  if (op == "conv2d") return run_conv2d(in, p);
  REQUIRE(op == "conv_transpose2d");
  return run_conv_transpose2d(in, p);
}

TEST_CASE("spatial ops agree with PyTorch") {
  const json& golden = read_golden("spatial.json");
  REQUIRE(golden.at("cases").size() == 69);
  for (const json& entry : golden.at("cases")) {
    const auto op = entry.at("op").get<std::string>();
    CAPTURE(op);
    CAPTURE(entry.at("inputs").dump());
    CAPTURE(entry.at("params").dump());
    Tensors inputs;
    for (std::size_t k = 0; k < entry.at("inputs").size(); ++k)
      inputs.push_back(numbers(shape_of(entry["inputs"][k]), k, op == "grid_sample" && k == 1 ? 1.5 : 1));
    const Tensor y = run(op, inputs, entry.at("params"));
    const Tensor wanted =
        from_values(entry.at("values").get<std::vector<double>>(), shape_of(entry.at("shape")));
    REQUIRE(y.shape() == wanted.shape());
    CHECK(max(abs(y - wanted)).item() < 1e-12);
  }
}

}  // namespace
}  // namespace tsr::test
