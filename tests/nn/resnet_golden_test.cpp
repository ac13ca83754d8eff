// ResNet-18 against torchvision (tests/golden/resnet18.py): logits, all gradients, running statistics, on
// weights that both sides compute by a formula.
#include <cmath>
#include <doctest/doctest.h>
#include <fstream>
#include <nlohmann/json.hpp>

#include "nn/resnet.h"
#include "nn/torch_state.h"
#include "tests/golden/checksum.h"
#include "tests/golden/golden.h"

namespace tsr::test {
namespace {

/// A tensor of the network in PyTorch's layout, by its name.
Tensor resnet_tensor(const std::string& name, const Shape& shape) {
  if (shape.rank() > 1) {
    double scale = 1;
    const auto fan_in = static_cast<double>(shape.numel()) / static_cast<double>(shape[0]);
    while (scale * scale * fan_in > 6) scale /= 2;
    return filled(name, shape, scale, 0);
  }
  const bool one = name.ends_with("running_var") || (name.ends_with("weight") && shape.rank() == 1);
  return filled(name, shape, 0.25, one ? 1 : 0);
}

void check_case(const std::string& name, const nlohmann::json& golden, DType dtype, double tolerance) {
  INFO(name, " ", name_of(dtype));
  ResNet network({.stem = name == "cifar" ? Stem::cifar : Stem::imagenet, .classes = 10});
  TensorMap state;
  for (const auto& [key, tensor] : torch_state_dict(network))
    if (is_floating(tensor.dtype())) state[key] = resnet_tensor(key, tensor.shape());
  network.to(dtype);
  load_torch_state_dict(network, state, "formula");

  const Tensor images = golden_images(golden["input"], golden["shape"], dtype);
  const Tensor logits = network(images);
  sum(logits * filled("grad_logits", logits.shape(), 1, 0).to(dtype)).backward();

  const Tensor values = logits.detach().to(float64);
  double off = 0, total = 0;
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const auto want =
        golden["logits"][static_cast<std::size_t>(i / 10)][static_cast<std::size_t>(i % 10)].get<double>();
    off += (values.data<double>()[i] - want) * (values.data<double>()[i] - want);
    total += want * want;
  }
  CHECK(std::sqrt(off / total) <= tolerance);

  std::size_t compared = 1;
  CHECK(distance("input", to_torch_layout(images.grad(), true), golden["gradients"]["input"]) <= tolerance);
  for (const NamedTensor& entry : named_tensors(network)) {
    if (!is_floating(entry.tensor.dtype())) continue;
    INFO(entry.name);
    const Tensor tensor = entry.learned ? entry.tensor.grad() : entry.tensor;
    const auto& reference = golden[entry.learned ? "gradients" : "statistics"][entry.name];
    CHECK(distance(entry.name, to_torch_layout(tensor, entry.kind == ParamKind::conv_weight), reference) <=
          tolerance);
    ++compared;
  }
  CHECK(compared == golden["gradients"].size() + golden["statistics"].size());
}

}  // namespace

TEST_CASE("resnet-18 agrees with torchvision") {
  const auto& golden = read_golden("resnet18.json");
  for (const char* stem : {"imagenet", "cifar"}) {
    check_case(stem, golden[stem], float64, 1e-10);
    check_case(stem, golden[stem], float32, 1e-5);
  }
}

}  // namespace tsr::test
