// The momentum encoder, several view sizes through one encoder, and InfoNCE with keys.
#include "ssl/momentum_encoder.h"

#include <cmath>
#include <doctest/doctest.h>

#include "nn/resnet.h"
#include "nn/vit.h"
#include "ssl/heads.h"
#include "ssl/info_nce.h"
#include "ssl/multi_crop.h"
#include "tensor/random.h"

namespace tsr::test {
namespace {

using Network = Branch<ProjectionHead>;

const ViTOptions kViT{.image_size = 8, .patch = 4, .dim = 8, .depth = 3, .heads = 2, .drop_path = 0.5};

Network make_network(std::unique_ptr<Encoder> encoder) {
  const std::int64_t features = encoder->feature_size();
  Network network(std::move(encoder), ProjectionHead({.in = features, .hidden = 6, .out = 5}));
  network.to(float64);
  return network;
}

double distance(const Tensor& a, const Tensor& b) { return norm(a.detach() - b.detach()).item(); }

}  // namespace

TEST_CASE("a follower starts as its student, with tensors of its own and without gradients") {
  seed_init(4);
  for (const bool vit : {true, false}) {
    CAPTURE(vit);
    Network student =
        vit ? make_network(std::make_unique<ViT>(kViT))
            : make_network(std::make_unique<ResNet>(ResNetOptions{.width = 2, .stem = Stem::small}));
    Network teacher = momentum_copy(student);
    const auto pairs = paired_tensors("test", student, teacher);
    CHECK(pairs.size() > 20);
    for (const auto& pair : pairs) {
      const NamedTensor &ours = pair.first, &theirs = pair.second;
      CAPTURE(ours.name);
      CHECK(theirs.tensor.dtype() == ours.tensor.dtype());
      CHECK(ours.tensor.raw() != theirs.tensor.raw());
      CHECK(distance(ours.tensor.to(float64), theirs.tensor.to(float64)) == 0);
      CHECK_FALSE(theirs.tensor.requires_grad());
      CHECK(theirs.learned == ours.learned);
    }
  }
}

TEST_CASE("paths are dropped in the student alone") {
  seed_init(5);
  seed_layers(5);
  Network student = make_network(std::make_unique<ViT>(kViT)), teacher = momentum_copy(student);
  student.train();
  teacher.train();
  Generator random(6);
  const Tensor images = normal({6, 8, 8, 3}, random, 0, 1, float64);
  CHECK(distance(student(images), student(images)) > 1e-3);
  const Tensor once = teacher(images);
  CHECK(distance(once, teacher(images)) == 0);
  // Dropping nothing, both say the same; the projector's norms use the batch's statistics in both.
  follow_only(student);
  CHECK(distance(once, student(images)) == 0);
}

TEST_CASE("an encoder that doesn't say how to make another is told so") {
  struct Lonely final : Encoder {
    Tensor operator()(const Tensor& images) override { return images; }
    std::int64_t feature_size() const override { return 1; }
    void visit(Visitor&) override {}
    std::string label() const override { return "Lonely"; }
  } lonely;
  CHECK_THROWS_WITH_AS(clone_encoder(lonely),
                       "Lonely: a method with a second encoder needs another(); override it", Error);
}

TEST_CASE("the momentum rises by half a cosine") {
  Settings settings;
  settings.assign("ema_momentum_end=0.9");
  const EmaMomentum momentum = read_ema_momentum(settings, 0.5);
  CHECK(momentum.at({.step = 0, .total_steps = 8}) == 0.5);
  CHECK(momentum.at({.step = 4, .total_steps = 8}) == doctest::Approx(0.7));
  CHECK(momentum.at({.step = 8, .total_steps = 8}) == doctest::Approx(0.9));
}

TEST_CASE("views of several sizes give what each gives alone, in their order") {
  seed_init(7);
  ViTOptions options = kViT;
  options.drop_path = 0;
  ViT encoder(options);
  encoder.to(float64);
  Generator random(8);
  Tensors views;
  for (const std::int64_t side : {8, 8, 4, 4, 4, 12, 8})
    views.push_back(normal({3, side, side, 3}, random, 0, 1, float64));
  const Tensor features = encode_views(encoder, views);
  REQUIRE(features.shape() == Shape{21, 8});
  for (std::int64_t v = 0; v < 7; ++v)
    CHECK(distance(slice(features, 0, 3 * v, 3 * v + 3), encoder(views[static_cast<std::size_t>(v)])) <
          1e-12);
  CHECK_THROWS_WITH_AS(encode_views(encoder, {}), "encode_views: no views", Error);
}

TEST_CASE("info_nce is the loop over queries and keys") {
  constexpr std::int64_t kRows = 5, kDims = 3;
  constexpr double kTemperature = 0.3;
  Generator random(9);
  const Tensor q = normal({kRows, kDims}, random, 0, 1, float64),
               k = normal({kRows, kDims}, random, 0, 1, float64);
  double expected = 0;
  for (std::int64_t i = 0; i < kRows; ++i) {
    double total = 0, own = 0;
    for (std::int64_t j = 0; j < kRows; ++j) {
      double dot = 0;
      for (std::int64_t d = 0; d < kDims; ++d)
        dot += q.data<double>()[i * kDims + d] * k.data<double>()[j * kDims + d];
      total += std::exp(dot / kTemperature);
      if (i == j) own = dot / kTemperature;
    }
    expected += (std::log(total) - own) / kRows;
  }
  CHECK(info_nce(q, k, kTemperature).item() == doctest::Approx(expected).epsilon(1e-12));
  CHECK_THROWS_WITH_AS(info_nce(q, zeros({4, kDims}, float64), 1),
                       "info_nce: queries float64[5, 3] and keys float64[4, 3] are not [N, D] each", Error);
  CHECK_THROWS_WITH_AS(info_nce(q, k, 0), "info_nce: temperature 0 must be positive", Error);
}

}  // namespace tsr::test
