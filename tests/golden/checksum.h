#pragma once
// The golden scripts' three numbers for a tensor (see resnet18.py), and PyTorch's layout, which they count
// in.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "autograd/ops.h"
#include "tests/golden/unit.h"

namespace tsr::test {

/// By how much of the norm a tensor is off from [norm, two dot products]: the worst of the three.
inline double distance(const std::string& name, const Tensor& tensor, const nlohmann::json& golden) {
  const Tensor values = tensor.to(float64);
  const std::uint64_t a = fnv1a("a:" + name), b = fnv1a("b:" + name);
  double squares = 0, dot_a = 0, dot_b = 0;
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const double value = values.data<double>()[i];
    squares += value * value;
    dot_a += value * unit(a, i);
    dot_b += value * unit(b, i);
  }
  const auto norm = golden[0].get<double>();
  return std::max({std::abs(std::sqrt(squares) - norm), std::abs(dot_a - golden[1].get<double>()),
                   std::abs(dot_b - golden[2].get<double>())}) /
         norm;
}

inline Tensor to_torch_layout(const Tensor& tensor, bool image_like) {
  const NoGrad guard;
  return image_like ? contiguous(permute(tensor, {0, 3, 1, 2})) : contiguous(tensor);
}

/// The images that a script makes of `name` in the shape [N, C, H, W], as NHWC; they ask for a gradient.
inline Tensor golden_images(const std::string& name, const nlohmann::json& shape, DType dtype) {
  const auto sizes = shape.get<std::vector<std::int64_t>>();
  Tensor images;
  {
    const NoGrad guard;
    const Tensor nchw = filled(name, {sizes[0], sizes[1], sizes[2], sizes[3]}, 1, 0);
    images = contiguous(permute(nchw, {0, 2, 3, 1})).to(dtype);
  }
  return images.requires_grad_();
}

}  // namespace tsr::test
