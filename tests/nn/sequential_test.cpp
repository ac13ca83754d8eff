// Sequential, small layers, and how modules print.
#include "nn/sequential.h"

#include <cmath>
#include <doctest/doctest.h>
#include <sstream>

#include "autograd/gradcheck.h"
#include "nn/activations.h"
#include "nn/dropout.h"
#include "nn/embedding.h"
#include "nn/layers.h"
#include "nn/norms.h"
#include "nn/pooling.h"
#include "nn/resnet.h"
#include "nn/torch_state.h"
#include "tensor/random.h"

namespace tsr::test {
namespace {

std::string printed(Module& module) {
  std::ostringstream out;
  out << module;
  return out.str();
}

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  NoGrad guard;
  return max(abs(a - b)).item();
}

/// Without options or a default constructor.
struct Odd : Module {
  double factor;
  explicit Odd(double factor) : factor(factor) {}
  Tensor operator()(const Tensor& x) const { return x * factor; }
  void visit(Visitor&) override {}
};

Sequential make_head() {
  return Sequential(Linear({.in = 6, .out = 4, .bias = false}), BatchNorm({.channels = 4}), ReLU(),
                    Linear({.in = 4, .out = 2}));
}

}  // namespace

TEST_CASE("a Sequential calls its modules in turn, under their places as names") {
  seed_init(1);
  Sequential head = make_head();
  std::vector<std::string> names;
  for (const NamedTensor& entry : named_parameters(head)) names.push_back(entry.name);
  CHECK(names == std::vector<std::string>{"0.weight", "1.weight", "1.bias", "3.weight", "3.bias"});
  CHECK(parameter_count(head) == 24 + 8 + 10);

  Generator random(2);
  const Tensor x = normal({5, 6}, random);
  head.eval();
  const Tensor by_hand = head.at<Linear>(3)(relu(head.at<BatchNorm>(1)(head.at<Linear>(0)(x))));
  CHECK(largest_difference(head(x), by_hand) == 0);
  CHECK_FALSE(head[1].training());
  CHECK(head.size() == 4);
  CHECK_THROWS_WITH_AS(head[4], "Sequential: there is no module 4; it holds 4", Error);
  CHECK_THROWS_WITH_AS(head.at<Linear>(1), doctest::Contains("1 is BatchNorm(channels = 4)"), Error);
  CHECK(Sequential()(x).is_same(x));
}

TEST_CASE("a Sequential takes modules over by pointer, nests, and moves") {
  seed_init(2);
  std::unique_ptr<Encoder> encoder = std::make_unique<ResNet>(ResNetOptions{.width = 2, .stem = Stem::small});
  const std::int64_t features = encoder->feature_size();
  Sequential model(std::move(encoder), Sequential(Linear({.in = features, .out = 3}), Tanh()));
  Sequential moved = std::move(model);
  Generator random(3);
  CHECK(moved(normal({2, 16, 16, 3}, random)).shape() == Shape{2, 3});
  CHECK(torch_state_dict(moved).contains("0.layer1.0.conv1.weight"));
  CHECK(torch_state_dict(moved).contains("1.0.weight"));
  CHECK_THROWS_WITH_AS(moved.push(std::unique_ptr<Encoder>()), doctest::Contains("null pointer"), Error);
}

TEST_CASE("a clone of a Sequential has its own weights, and what can't be cloned says so") {
  seed_init(3);
  Sequential head = make_head();
  head.to(float64);
  head.eval();
  Sequential copy = clone(head);
  Generator random(4);
  const Tensor x = normal({5, 6}, random, 0, 1, float64);
  CHECK(largest_difference(head(x), copy(x)) == 0);
  CHECK_FALSE(copy[1].training());
  fill_with(copy.at<Linear>(0).weight, 0);
  CHECK(largest_difference(head(x), copy(x)) > 0);
  Sequential odd{Odd(2)};
  CHECK(odd(x).shape() == x.shape());
  CHECK_THROWS_WITH_AS(clone(odd), doctest::Contains("Odd can't be made anew"), Error);
}

TEST_CASE("modules without parameters call their ops") {
  Generator random(5);
  const Tensor x = normal({2, 4, 6, 3}, random);
  CHECK(largest_difference(ReLU()(x), relu(x)) == 0);
  CHECK(largest_difference(Sigmoid()(x), sigmoid(x)) == 0);
  CHECK(largest_difference(Tanh()(x), tanh(x)) == 0);
  CHECK(largest_difference(GELU()(x), gelu(x)) == 0);
  CHECK(largest_difference(GELU(GeluForm::tanh)(x), gelu(x, GeluForm::tanh)) == 0);
  CHECK(largest_difference(SiLU()(x), silu(x)) == 0);
  CHECK(largest_difference(LeakyReLU(0.3)(x), leaky_relu(x, 0.3)) == 0);
  CHECK(largest_difference(Softplus(2)(x), softplus(x, 2)) == 0);
  CHECK(Identity()(x).is_same(x));
  CHECK(largest_difference(Flatten()(x), flatten_image(x)) == 0);
  CHECK(Flatten()(zeros({3, 4, 5})).shape() == Shape{3, 20});
  CHECK(Flatten()(zeros({0, 4, 5})).shape() == Shape{0, 20});
  CHECK(Flatten()(zeros({3})).shape() == Shape{3, 1});
  CHECK(largest_difference(GlobalAvgPool()(x), global_avg_pool(x)) == 0);
  const Pool2dParams overlapping{
      .kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1};
  CHECK(largest_difference(MaxPool2d({.kernel = 3, .stride = 2, .padding = 1})(x),
                           max_pool2d(x, overlapping)) == 0);
  CHECK(largest_difference(AvgPool2d()(x), avg_pool2d(x)) == 0);
  CHECK_THROWS_WITH_AS(MaxPool2d({.kernel = 0}), doctest::Contains("must be positive"), Error);
}

TEST_CASE("layer norm and group norm follow plain loops, gradients finite differences") {
  Generator random(7);
  const Tensor x = normal({2, 3, 2, 6}, random, 1, 2, float64);
  LayerNorm layer({.features = 6});
  GroupNorm group({.groups = 3, .channels = 6});
  layer.to(float64);
  group.to(float64);
  for (Module* module : {static_cast<Module*>(&layer), static_cast<Module*>(&group)})
    for (const NamedTensor& entry : named_parameters(*module))
      copy_into(entry.tensor, normal(entry.tensor.shape(), random, 1, 1, float64));
  const Tensor by_layer = layer(x), by_group = group(x);
  const double* values = x.data<double>();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const std::int64_t channel = i % 6, sample = i / 36;
    // Of element i: whether element j shares its statistics.
    const auto check = [&](const Tensor& y, const Parameter& weight, const Parameter& bias,
                           const auto& shares) {
      double count = 0, mean = 0, var = 0;
      for (std::int64_t j = 0; j < x.numel(); ++j)
        if (shares(j)) ++count, mean += values[j];
      mean /= count;
      for (std::int64_t j = 0; j < x.numel(); ++j)
        if (shares(j)) var += (values[j] - mean) * (values[j] - mean) / count;
      const double want =
          (values[i] - mean) / std::sqrt(var + 1e-5) * weight.tensor().data<double>()[channel] +
          bias.tensor().data<double>()[channel];
      CHECK(y.data<double>()[i] == doctest::Approx(want).epsilon(1e-12));
    };
    check(by_layer, layer.weight, layer.bias, [&](std::int64_t j) { return j / 6 == i / 6; });
    check(by_group, group.weight, group.bias,
          [&](std::int64_t j) { return j / 36 == sample && j % 6 / 2 == channel / 2; });
  }
  CHECK(gradcheck([&](const Tensors& in) { return layer(in[0]); }, {x}) == "");
  CHECK(gradcheck([&](const Tensors& in) { return group(in[0]); }, {x}) == "");
  CHECK_THROWS_WITH_AS(GroupNorm({.groups = 4, .channels = 6}), doctest::Contains("must divide"), Error);
  CHECK_THROWS_WITH_AS(layer(zeros({2, 5}, float64)), doctest::Contains("is not [..., 6]"), Error);
  LayerNorm bare({.features = 6, .affine = false});
  CHECK(named_tensors(bare).empty());
}

TEST_CASE("dropout drops in training, by the layers' stream, and keeps the mean") {
  const Tensor x = ones({400, 50});
  const auto zeros_in = [](const Tensor& y, std::int64_t i) { return y.data<float>()[i] == 0; };
  Dropout dropout({.p = 0.2});
  seed_layers(1);
  const Tensor y = dropout(x);
  std::int64_t dropped = 0;
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    if (zeros_in(y, i))
      ++dropped;
    else
      CHECK(y.data<float>()[i] == doctest::Approx(1.25));
  }
  CHECK(static_cast<double>(dropped) / static_cast<double>(y.numel()) == doctest::Approx(0.2).epsilon(0.05));
  CHECK(largest_difference(dropout(x), y) > 0);
  seed_layers(1);
  CHECK(largest_difference(dropout(x), y) == 0);

  DropPath path({.p = 0.5});
  const Tensor z = path(x);
  std::int64_t samples = 0;
  for (std::int64_t n = 0; n < 400; ++n) {
    samples += zeros_in(z, n * 50);
    for (std::int64_t i = 0; i < 50; ++i) CHECK(z.data<float>()[n * 50 + i] == (zeros_in(z, n * 50) ? 0 : 2));
  }
  CHECK(samples > 150);
  CHECK(samples < 250);

  dropout.eval();
  path.eval();
  CHECK(dropout(x).is_same(x));
  CHECK(path(x).is_same(x));
  CHECK_THROWS_WITH_AS(Dropout({.p = 1}), doctest::Contains("choose 0 ≤ p < 1"), Error);
  seed_layers(0);
}

TEST_CASE("an embedding looks rows up and sums their gradients") {
  seed_init(6);
  Embedding table({.count = 5, .dim = 3});
  const Tensor indices = from_values(std::vector<std::int64_t>{4, 0, 4, 2}, {2, 2});
  const Tensor rows = table(indices);
  REQUIRE(rows.shape() == Shape{2, 2, 3});
  for (std::int64_t i = 0; i < 4; ++i)
    for (std::int64_t k = 0; k < 3; ++k)
      CHECK(rows.data<float>()[i * 3 + k] ==
            table.weight.tensor().data<float>()[indices.data<std::int64_t>()[i] * 3 + k]);
  sum(rows).backward();
  const float want[] = {1, 0, 1, 0, 2};
  for (std::int64_t i = 0; i < 15; ++i) CHECK(table.weight.tensor().grad().data<float>()[i] == want[i / 3]);
  CHECK(named_parameters(table)[0].kind == ParamKind::embedding_weight);
  CHECK_THROWS_WITH_AS(table(zeros({2})), doctest::Contains("convert it with to(int64)"), Error);
}

TEST_CASE("a module prints as a tree with its parameters counted") {
  struct Model : Module {
    Sequential head;
    Conv2d conv;
    Parameter token;
    Model()
        : head(make_head()),
          conv({.in = 3, .out = 8, .kernel = 3, .stride = 2, .padding = 1, .bias = false}),
          token(zeros({1000})) {}
    void visit(Visitor& v) override {
      v.child("head", head);
      v.child("conv", conv);
      v.param("token", token, ParamKind::embedding_weight);
    }
  } model;
  CHECK(printed(model) ==
        "Model, 1,258 parameters\n"
        "├── head: Sequential, 42\n"
        "│   ├── 0: Linear(in = 6, out = 4, bias = false), 24\n"
        "│   ├── 1: BatchNorm(channels = 4), 8\n"
        "│   ├── 2: ReLU\n"
        "│   └── 3: Linear(in = 4, out = 2), 10\n"
        "└── conv: Conv2d(in = 3, out = 8, kernel = 3, stride = 2, padding = 1, bias = false), 216");
  ResNet network({.depth = 18, .classes = 1000});
  const std::string tree = printed(network);
  CHECK(tree.starts_with("ResNet(depth = 18, width = 64), 11,689,512 parameters\n├── conv1: Conv2d("));
  CHECK(tree.find("├── layer2.0: ResidualBlock, 230,144\n") != std::string::npos);
  CHECK(tree.ends_with("└── fc: Linear(in = 512, out = 1000), 513,000"));
}

}  // namespace tsr::test
