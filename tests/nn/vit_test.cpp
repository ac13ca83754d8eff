// ViT and its parts: names and sizes, how weights start, what is frozen, dropped and resized.
#include "nn/vit.h"

#include <cmath>
#include <doctest/doctest.h>
#include <sstream>

#include "autograd/gradcheck.h"
#include "nn/init.h"
#include "nn/sgd.h"
#include "nn/torch_state.h"
#include "tensor/allocator.h"
#include "tests/nn/draw.h"

namespace tsr::test {
namespace {

const ViTOptions kSmall{.image_size = 16, .patch = 4, .dim = 32, .depth = 2, .heads = 4};

double largest(const Tensor& x) { return max(abs(x)).to(float64).item(); }

const Tensor& find(const std::vector<NamedTensor>& entries, const std::string& name) {
  for (const NamedTensor& entry : entries)
    if (entry.name == name) return entry.tensor;
  throw Error("no tensor " + name);
}

bool has(const TensorMap& tensors, const std::string& name) { return tensors.contains(name); }

/// attention() by loops.
Tensor plain_attention(const Tensor& q, const Tensor& k, const Tensor& v) {
  const std::int64_t n = q.size(2), m = k.size(2), d = q.size(3), heads = q.size(0) * q.size(1);
  Tensor y = zeros(q.shape(), float64);
  const auto *a = q.data<double>(), *b = k.data<double>(), *c = v.data<double>();
  for (std::int64_t h = 0; h < heads; ++h)
    for (std::int64_t i = 0; i < n; ++i) {
      std::vector<double> weights(static_cast<std::size_t>(m), 0);
      double total = 0;
      for (std::int64_t j = 0; j < m; ++j) {
        double dot = 0;
        for (std::int64_t x = 0; x < d; ++x) dot += a[(h * n + i) * d + x] * b[(h * m + j) * d + x];
        total += weights[static_cast<std::size_t>(j)] = std::exp(dot / std::sqrt(static_cast<double>(d)));
      }
      for (std::int64_t j = 0; j < m; ++j)
        for (std::int64_t x = 0; x < d; ++x)
          y.data<double>()[(h * n + i) * d + x] +=
              weights[static_cast<std::size_t>(j)] / total * c[(h * m + j) * d + x];
    }
  return y;
}

}  // namespace

TEST_CASE("attention is what loops compute, also between two sets of tokens, and has its gradients") {
  const Tensor all = draw({3, 2, 3, 5, 4}, float64);
  const Tensor q = select(all, 0, 0).clone(), k = slice(select(all, 0, 1), 2, 0, 4).clone(),
               v = slice(select(all, 0, 2), 2, 0, 4).clone();
  CHECK(largest(attention(q, k, v) - plain_attention(q, k, v)) < 1e-12);
  CHECK(gradcheck([](const Tensors& in) { return attention(in[0], in[1], in[2]); }, {q, k, v}) == "");
  const Tensor weights = attention_weights(q, k);
  CHECK(weights.shape() == Shape{2, 3, 5, 4});
  CHECK(largest(sum(weights, {-1}) - 1.0) < 1e-12);
  CHECK(largest(matmul(weights, v) - attention(q, k, v)) < 1e-15);
}

TEST_CASE("sizes and names are timm's") {
  // timm's vit_tiny_patch16_224, vit_small_patch16_224 and vit_base_patch16_224
  const std::pair<ViTOptions, std::int64_t> known[] = {
      {{.dim = 192, .heads = 3, .classes = 1000}, 5'717'416},
      {{.dim = 384, .heads = 6, .classes = 1000}, 22'050'664},
      {{.dim = 768, .heads = 12, .classes = 1000}, 86'567'656}};
  for (const auto& [options, count] : known) {
    ViT network(options);
    CHECK(parameter_count(network) == count);
  }
  ViT network({.image_size = 16,
               .patch = 4,
               .dim = 32,
               .depth = 2,
               .heads = 4,
               .registers = 3,
               .layer_scale = 1e-5,
               .pool = TokenPool::avg});
  const TensorMap state = torch_state_dict(network);
  for (const char* name :
       {"cls_token", "reg_token", "pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias",
        "blocks.0.norm1.weight", "blocks.1.attn.qkv.bias", "blocks.1.attn.proj.weight", "blocks.0.ls1.gamma",
        "blocks.0.norm2.bias", "blocks.0.mlp.fc1.weight", "blocks.1.mlp.fc2.bias", "blocks.1.ls2.gamma",
        "fc_norm.weight"})
    CHECK(has(state, name));
  CHECK_FALSE(has(state, "norm.weight"));
  CHECK(state.size() == 3 + 2 + 2 * 14 + 2);
  CHECK(state.at("pos_embed").shape() == Shape{1, 4 + 16, 32});
  CHECK(state.at("patch_embed.proj.weight").shape() == Shape{32, 3, 4, 4});
  CHECK(network(draw({2, 16, 16, 3})).shape() == Shape{2, 32});
  CHECK(network.tokens(draw({2, 16, 8, 3})).shape() == Shape{2, 4 + 8, 32});
}

TEST_CASE("weights start as timm's") {
  seed_init(3);
  ViTOptions options = kSmall;
  options.dim = 192;
  options.registers = 2;
  options.layer_scale = 0.25;
  ViT network(options);
  const auto entries = named_parameters(network);
  const auto deviation = [&](const char* name) { return stddev(find(entries, name)).item(); };
  for (const char* name : {"blocks.0.attn.qkv.weight", "blocks.1.attn.proj.weight", "blocks.0.mlp.fc1.weight",
                           "blocks.1.mlp.fc2.weight", "pos_embed"})
    CHECK(deviation(name) == doctest::Approx(0.02).epsilon(0.05));
  for (const char* name : {"blocks.0.attn.qkv.bias", "blocks.1.mlp.fc2.bias"})
    CHECK(largest(find(entries, name)) == 0);
  CHECK(deviation("cls_token") == doctest::Approx(1e-6).epsilon(0.2));
  CHECK(deviation("reg_token") == doctest::Approx(1e-6).epsilon(0.2));
  CHECK(largest(find(entries, "blocks.0.ls1.gamma") - 0.25) == 0);
  const double bound = 1 / std::sqrt(48.0);  // of PyTorch's convolutions: 4·4·3 inputs
  for (const char* name : {"patch_embed.proj.weight", "patch_embed.proj.bias"}) {
    CHECK(largest(find(entries, name)) <= bound);
    CHECK(largest(find(entries, name)) > 0.95 * bound);
    CHECK(deviation(name) == doctest::Approx(bound / std::sqrt(3)).epsilon(0.1));
  }
}

TEST_CASE("or as MoCo v3's: uniform by the fans of each matrix") {
  seed_init(12);
  ViT vit({.image_size = 16, .patch = 4, .dim = 48, .depth = 1, .heads = 2, .init = ViTInit::mocov3});
  const auto check = [](const Tensor& weight, double fans) {
    const double bound = std::sqrt(6 / fans), largest = max(abs(weight.detach())).item();
    CHECK(largest <= bound);
    CHECK(largest > 0.98 * bound);
    CHECK(stddev(weight.detach()).item() == doctest::Approx(bound / std::sqrt(3)).epsilon(0.05));
  };
  check(vit.blocks[0].attn.qkv.weight, 48 + 48);
  check(vit.blocks[0].attn.proj.weight, 48 + 48);
  check(vit.blocks[0].mlp.fc1.weight, 48 + 4 * 48);
  const Conv2d& patches = std::get<Conv2d>(vit.patch_embed.proj);
  check(patches.weight, 3 * 4 * 4 + 48);
  CHECK(patches.weight.tensor().requires_grad());
  for (const Tensor& bias : {vit.blocks[0].attn.qkv.bias.tensor(), patches.bias.tensor()})
    CHECK(norm(bias.detach()).item() == 0);
  const std::unique_ptr<Encoder> other = vit.another();
  CHECK(named_tensors(*other).size() == named_tensors(vit).size());
  CHECK(other->size_multiple() == 4);
}

TEST_CASE("a frozen stem and fixed positions are state, and stay as they are") {
  seed_init(4);
  ViTOptions options = kSmall;
  options.stem = PatchStem::frozen;
  options.positions = Positions::sincos;
  ViT network(options);
  const TensorMap before = torch_state_dict(network);
  const Tensor& projection = before.at("patch_embed.proj.weight");
  const double bound = std::sqrt(6.0 / (48 + 32));
  CHECK(largest(projection) <= bound);
  CHECK(largest(projection) > 0.95 * bound);
  CHECK(largest(before.at("patch_embed.proj.bias")) == 0);
  const Tensor positions = before.at("pos_embed");
  CHECK(largest(slice(positions, 1, 0, 1)) == 0);
  CHECK(largest(slice(positions, 1, 1, 17) - cast(sincos_positions(4, 32), float32)) == 0);

  TensorMap copies;
  for (const NamedTensor& entry : named_tensors(network)) copies[entry.name] = entry.tensor.clone();
  ViT twin = clone(network);
  for (ViT* model : {&network, &twin}) {
    Sgd optimizer({{.parameters = named_parameters(*model), .weight_decay = 0.1}}, {});
    sum(square((*model)(draw({2, 16, 16, 3})))).backward();
    optimizer.step(0.1);
    for (const NamedTensor& entry : named_tensors(*model)) {
      CAPTURE(entry.name);
      const bool fixed = entry.name.starts_with("patch_embed.") || entry.name == "pos_embed";
      CHECK((largest(entry.tensor - copies.at(entry.name)) == 0) == fixed);
    }
  }
}

TEST_CASE("the conv stem halves the image until a patch is a pixel") {
  seed_init(5);
  ViTOptions options = kSmall;
  options.patch = 8;
  options.stem = PatchStem::conv;
  ViT network(options);
  const TensorMap state = torch_state_dict(network);
  CHECK(state.at("patch_embed.proj.0.weight").shape() == Shape{8, 3, 3, 3});
  CHECK(state.at("patch_embed.proj.3.weight").shape() == Shape{16, 8, 3, 3});
  CHECK(state.at("patch_embed.proj.6.weight").shape() == Shape{32, 16, 3, 3});
  CHECK(state.at("patch_embed.proj.9.weight").shape() == Shape{32, 32, 1, 1});
  CHECK(has(state, "patch_embed.proj.7.running_var"));
  CHECK(network.tokens(draw({2, 16, 24, 3})).shape() == Shape{2, 1 + 6, 32});
  sum(square(network(draw({2, 16, 16, 3})))).backward();
  CHECK(largest(find(named_parameters(network), "patch_embed.proj.0.weight").grad()) > 0);
}

TEST_CASE("paths are dropped more often the deeper the block, and only in training") {
  ViTOptions options = kSmall;
  options.depth = 3;
  options.drop_path = 0.5;
  ViT network(options);
  for (int i = 0; i < 3; ++i)
    CHECK(network.blocks[static_cast<std::size_t>(i)].options.drop_path == doctest::Approx(0.25 * i));

  const TransformerBlock& block = network.blocks[2];
  const Tensor x = draw({64, 5, 32}), attended = block.attn(block.norm1(x));
  // The second branch, silenced, leaves only the first: whole for a sample, or not at all.
  init::zeros(block.mlp.fc2.weight);
  seed_layers(2);
  const Tensor y = block(x);
  int dropped = 0;
  for (std::int64_t i = 0; i < 64; ++i) {
    const Tensor moved = select(y - x, 0, i), branch = select(attended, 0, i);
    const bool is_dropped = largest(moved) == 0;
    dropped += is_dropped;
    if (!is_dropped) CHECK(largest(moved - branch * 2.0) < 1e-5);
  }
  CHECK(dropped > 16);
  CHECK(dropped < 48);
  network.eval();
  CHECK(largest(block(x) - (x + attended)) == 0);
  ViT once({.image_size = 8, .patch = 4, .dim = 8, .depth = 1, .heads = 2, .drop_path = 0.5});
  CHECK(once.blocks[0].options.drop_path == 0);
  seed_layers(0);
}

TEST_CASE("a checkpointed network keeps less and has the same gradients, dropped paths included") {
  const auto gradients = [](bool checkpointing, std::int64_t& kept) {
    seed_init(9);
    seed_layers(9);
    ViTOptions options = kSmall;
    options.depth = 4;
    options.drop_path = 0.5;
    options.grad_checkpointing = checkpointing;
    ViT network(options);
    const Tensor images = full({8, 16, 16, 3}, 0.5);
    const std::int64_t before = allocator(Device::cpu).stats().live_bytes;
    const Tensor features = network(images);
    kept = allocator(Device::cpu).stats().live_bytes - before;
    sum(features * features).backward();
    TensorMap grads;
    for (const NamedTensor& entry : named_parameters(network)) grads[entry.name] = entry.tensor.grad();
    seed_layers(0);
    return grads;
  };
  std::int64_t kept = 0, kept_checkpointed = 0;
  const TensorMap plain = gradients(false, kept), checkpointed = gradients(true, kept_checkpointed);
  CHECK(kept_checkpointed * 3 < kept);
  REQUIRE(plain.size() == checkpointed.size());
  for (const auto& entry : plain) {
    INFO(entry.first);
    CHECK(largest(entry.second) > 0);
    CHECK(largest(entry.second - checkpointed.at(entry.first)) == 0);
  }
}

TEST_CASE("attention maps of every block leave the network and the tape alone") {
  seed_init(6);
  ViT network(kSmall);
  network.eval();
  const Tensor images = draw({2, 16, 16, 3}).requires_grad_();
  const Tensor last = network.attention_map(images);
  CHECK(last.shape() == Shape{2, 4, 17, 17});
  CHECK_FALSE(last.requires_grad());
  CHECK(largest(sum(last, {-1}) - 1.0) < 1e-5);
  CHECK(largest(last - network.attention_map(images, 1)) == 0);
  CHECK(largest(last - network.attention_map(images, 0)) > 0);
  CHECK(largest(network.attention_map(images, -2) - network.attention_map(images, 0)) == 0);
  CHECK_THROWS_WITH_AS(network.attention_map(images, 2), "ViT: there is no block 2; choose -2 to 1", Error);
}

TEST_CASE("weights for another image size are taken, their positions resized") {
  seed_init(7);
  ViTOptions options = kSmall;
  options.classes = 5;
  options.registers = 1;
  ViT large(options);
  options.image_size = 24;
  options.classes = 0;
  ViT small(options);
  const TensorMap state = torch_state_dict(large);
  small.load_weights(MapSource(state), "large.safetensors");
  CHECK(largest(small.pos_embed.tensor() - resize_positions(large.pos_embed, 2, 4, 6)) == 0);
  CHECK(largest(slice(small.pos_embed.tensor(), 1, 0, 2) - slice(large.pos_embed.tensor(), 1, 0, 2)) == 0);
  // A network called on images of that size does the same by itself.
  large.head.reset();
  const Tensor images = draw({2, 24, 24, 3});
  CHECK(largest(small(images) - large(images)) == 0);

  TensorMap odd = state;
  odd["pos_embed"] = zeros({1, 2 + 15, 32});
  CHECK_THROWS_WITH_AS(
      small.load_weights(MapSource(odd), "odd.safetensors"),
      doctest::Contains("pos_embed is float32[1, 17, 32], the model's is float32[1, 38, 32]"), InputError);
}

TEST_CASE("fixed positions tell rows from columns, and need a width that 4 divides") {
  const Tensor positions = sincos_positions({2, 3}, 8);
  CHECK(positions.shape() == Shape{6, 8});
  const auto* const last = positions.data<double>() + 5 * 8;  // row 1, column 2
  const double want[] = {std::sin(1), std::sin(0.01), std::cos(1), std::cos(0.01),
                         std::sin(2), std::sin(0.02), std::cos(2), std::cos(0.02)};
  for (int i = 0; i < 8; ++i) CHECK(last[i] == doctest::Approx(want[i]).epsilon(1e-14));
  CHECK_THROWS_WITH_AS(sincos_positions(2, 6), "sincos_positions: dim = 6; 4 must divide it", Error);
}

TEST_CASE("a ViT prints as what it is made of") {
  ViTOptions options = kSmall;
  options.depth = 1;
  options.layer_scale = 1e-5;
  ViT network(options);
  std::ostringstream out;
  out << network;
  for (const char* part : {"ViT(patch = 4, dim = 32, depth = 1, heads = 4)", "PatchEmbed(patch = 4)",
                           "MultiHeadAttention(dim = 32, heads = 4)", "LayerScale(features = 32)"})
    CHECK(out.str().find(part) != std::string::npos);
  CHECK(out.str().find("DropPath") == std::string::npos);
}

TEST_CASE("names of options") {
  CHECK(patch_stem_from_name("conv") == PatchStem::conv);
  CHECK(positions_from_name("sincos") == Positions::sincos);
  CHECK(token_pool_from_name("avg") == TokenPool::avg);
  CHECK(vit_init_from_name("mocov3") == ViTInit::mocov3);
  CHECK_THROWS_WITH_AS(vit_init_from_name("moco"), "init: unknown name 'moco'; known: timm mocov3",
                       InputError);
  CHECK_THROWS_WITH_AS(patch_stem_from_name("cov"), "stem: unknown name 'cov'; known: patch frozen conv",
                       InputError);
}

}  // namespace tsr::test
