// Modules: names, copies, dtypes.
#include <algorithm>
#include <doctest/doctest.h>
#include <set>

#include "nn/resnet.h"
#include "tensor/random.h"

namespace tsr::test {
namespace {

std::set<std::string> names_of(Module& module) {
  std::set<std::string> names;
  for (const NamedTensor& entry : named_tensors(module)) names.insert(entry.name);
  return names;
}

double first_value(Module& module) {
  return named_parameters(module).front().tensor.to(float64).data<double>()[0];
}

struct Pair : Module {
  Linear a, b;
  Pair() : a({.in = 2, .out = 3}), b({.in = 3, .out = 1, .bias = false}) {}
  void visit(Visitor& v) override {
    v.child("a", a);
    v.child("b", b);
  }
};

}  // namespace

TEST_CASE("names join the children's by dots, and what is undefined has none") {
  Pair pair;
  CHECK(names_of(pair) == std::set<std::string>{"a.weight", "a.bias", "b.weight"});
  CHECK(parameter_count(pair) == 2 * 3 + 3 + 3);
}

TEST_CASE("resnets have torchvision's parameter counts and names") {
  // torchvision.models.resnetN(): 11,689,512; 21,797,672; 25,557,032.
  const std::pair<int, std::int64_t> known[] = {{18, 11'689'512}, {34, 21'797'672}, {50, 25'557'032}};
  for (const auto& [depth, count] : known) {
    ResNet network({.depth = depth, .classes = 1000});
    CHECK(parameter_count(network) == count);
  }
  ResNet network({.depth = 50, .width = 4});
  const auto names = names_of(network);
  for (const char* name :
       {"conv1.weight", "bn1.running_var", "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.num_batches_tracked", "layer3.5.conv3.weight", "layer4.2.bn3.bias"})
    CHECK(names.contains(name));
  CHECK_FALSE(names.contains("fc.weight"));
  CHECK(network.feature_size() == 4 * 8 * 4);
}

TEST_CASE("a clone shares no memory with its original") {
  seed_init(1);
  ResNet original({.width = 2, .stem = Stem::small});
  original.to(float64);
  original.eval();
  ResNet copy = clone(original);
  CHECK_FALSE(copy.training());
  const auto a = named_tensors(original), b = named_tensors(copy);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO(a[i].name);
    CHECK(a[i].tensor.dtype() == b[i].tensor.dtype());
    CHECK(a[i].tensor.storage() != b[i].tensor.storage());
  }
  const double before = first_value(original);
  CHECK(first_value(copy) == before);
  fill_with(named_parameters(copy).front().tensor, before + 1);
  CHECK(first_value(original) == before);
}

TEST_CASE("to(float64) keeps handles valid and values exact") {
  Linear layer({.in = 3, .out = 2});
  const Tensor handle = layer.weight.tensor();
  const float before = handle.data<float>()[4];
  layer.to(float64);
  CHECK(handle.dtype() == float64);
  CHECK(handle.data<double>()[4] == double{before});
  CHECK(handle.requires_grad());
  BatchNorm norm({.channels = 2});
  norm.to(float64);
  CHECK(norm.running_var.dtype() == float64);
  CHECK(norm.num_batches_tracked.dtype() == int64);
}

TEST_CASE("train and eval reach every module") {
  ResNet network({.width = 2});
  network.eval();
  CHECK_FALSE(network.bn1.training());
  CHECK_FALSE(network.stages[3][1].bn2->training());
  network.train();
  CHECK(network.stages[3][1].bn2->training());
}

TEST_CASE("the same seed makes equal modules, another seed others") {
  const auto make = [](std::uint64_t seed) {
    seed_init(seed);
    return Linear({.in = 4, .out = 4});
  };
  Linear a = make(5), b = make(5), c = make(6);
  CHECK(first_value(a) == first_value(b));
  CHECK(first_value(a) != first_value(c));
}

TEST_CASE("copy_state refuses modules of another structure") {
  Linear a({.in = 2, .out = 3}), wider({.in = 3, .out = 3}), bare({.in = 2, .out = 3, .bias = false});
  CHECK_THROWS_WITH_AS(copy_state(a, wider), doctest::Contains("'weight' float32[3, 2] against"), Error);
  CHECK_THROWS_WITH_AS(copy_state(a, bare), doctest::Contains("2 tensors on one side, 1 on the other"),
                       Error);
}

TEST_CASE("a ResNet whose last norms start at 0 begins as its shortcuts") {
  for (const int depth : {18, 50}) {
    CAPTURE(depth);
    ResNet network({.depth = depth, .width = 2, .zero_init = true});
    const std::string last = depth == 18 ? "bn2.weight" : "bn3.weight";
    for (const NamedTensor& entry : named_parameters(network)) {
      if (!entry.name.ends_with(".weight")) continue;
      CHECK((norm(entry.tensor.detach()).item() == 0) == entry.name.ends_with(last));
    }
    const std::unique_ptr<Encoder> other = network.another();
    CHECK(named_tensors(*other).size() == named_tensors(network).size());
  }
}

}  // namespace tsr::test
