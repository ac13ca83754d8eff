// ViT against timm (tests/golden/vit.py): outputs, attention and all gradients.
#include <doctest/doctest.h>
#include <fstream>

#include "nn/torch_state.h"
#include "nn/vit.h"
#include "tests/golden/checksum.h"
#include "tests/golden/golden.h"

namespace tsr::test {
namespace {

const nlohmann::json& vit_golden() { return read_golden("vit.json"); }

/// A tensor of the network in PyTorch's layout, by its name.
Tensor vit_tensor(const std::string& name, const Shape& shape) {
  if (name.ends_with("_token") || name == "pos_embed") return filled(name, shape, 0.5, 0);
  if (shape.rank() == 1) return filled(name, shape, 0.25, name.ends_with("bias") ? 0 : 1);
  double scale = 1;
  const auto fan_in = static_cast<double>(shape.numel()) / static_cast<double>(shape[0]);
  while (scale * scale * fan_in > 3) scale /= 2;
  return filled(name, shape, scale, 0);
}

/// timm's arguments.
ViTOptions options_of(const nlohmann::json& arguments) {
  return {.image_size = arguments["img_size"],
          .patch = arguments["patch_size"],
          .dim = arguments["embed_dim"],
          .depth = arguments["depth"],
          .heads = arguments["num_heads"],
          .qkv_bias = arguments.value("qkv_bias", true),
          .prefix_positions = !arguments.value("no_embed_class", false),
          .registers = arguments.value("reg_tokens", 0),
          .layer_scale = arguments.value("init_values", 0.0),
          .pool = token_pool_from_name(arguments.value("global_pool", "token")),
          .classes = arguments["num_classes"]};
}

void check_network(const std::string& name, DType dtype, double tolerance) {
  INFO(name, " ", name_of(dtype));
  const auto& reference = vit_golden()["networks"][name];
  const auto& tensors = reference["tensors"];
  ViT network(options_of(reference["arguments"]));
  TensorMap state;
  for (const auto& [key, tensor] : torch_state_dict(network)) state[key] = vit_tensor(key, tensor.shape());
  network.to(dtype);
  load_torch_state_dict(network, state, "formula");

  const Tensor images = golden_images("input", reference["shape"], dtype);
  const Tensor output = network(images);
  sum(output * filled("grad_output", output.shape(), 1, 0).to(dtype)).backward();
  CHECK(distance("output", output.detach(), tensors["output"]) <= tolerance);
  CHECK(distance("attention", network.attention_map(images), tensors["attention"]) <= tolerance);
  CHECK(distance("input", to_torch_layout(images.grad(), true), tensors["input"]) <= tolerance);
  std::size_t compared = 3;
  for (const NamedTensor& entry : named_parameters(network)) {
    INFO(entry.name);
    const Tensor gradient = to_torch_layout(entry.tensor.grad(), entry.kind == ParamKind::conv_weight);
    CHECK(distance(entry.name, gradient, tensors[entry.name]) <= tolerance);
    ++compared;
  }
  CHECK(compared == tensors.size());
}

}  // namespace

TEST_CASE("a ViT agrees with timm: plain, with registers and LayerScale, on images of other sizes") {
  for (const char* name : {"plain", "registers", "prefix"}) {
    check_network(name, float64, 1e-9);
    check_network(name, float32, 1e-5);
  }
}

TEST_CASE("vit_tiny agrees with timm's vit_tiny_patch16_224") {
  check_network("vit_tiny_patch16_224", float64, 1e-9);
  check_network("vit_tiny_patch16_224", float32, 1e-5);
}

TEST_CASE("fixed positions are MoCo v3's") {
  const auto& reference = vit_golden()["sincos"];
  const Tensor positions = sincos_positions(reference["side"].get<int>(), reference["dim"]);
  CHECK(distance("sincos", positions, reference["positions"]) <= 1e-12);
}

}  // namespace tsr::test
