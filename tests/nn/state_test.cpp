// The state protocol and the exchange with PyTorch's layout.
#include "nn/state.h"

#include <doctest/doctest.h>
#include <filesystem>
#include <unistd.h>

#include "nn/layers.h"
#include "nn/optim.h"
#include "nn/resnet.h"
#include "nn/torch_state.h"

namespace tsr::test {
namespace {

namespace fs = std::filesystem;

struct Things {
  Linear layer;
  Tensor queue, absent;
  std::int64_t count = 0;
  double rate = 0;
  Generator generator;

  Things() : layer({.in = 2, .out = 2}), queue(zeros({3})) {}
  void state(State& s) {
    s.module("layer", layer);
    s.tensor("queue", queue);
    s.tensor("absent", absent);
    s.integer("count", count);
    s.real("rate", rate);
    s.generator("generator", generator);
  }
};

struct Outer {
  Things first, second;
  void state(State& s) {
    s.child("first", first);
    s.child("second", second);
  }
};

TensorMap collected(Outer& outer) {
  State state;
  outer.state(state);
  return state.tensors();
}

void restore(Outer& outer, TensorMap tensors) {
  State state(std::move(tensors));
  outer.state(state);
  state.finish();
}

}  // namespace

TEST_CASE("everything comes back, in place, and what was collected doesn't change afterwards") {
  Outer outer;
  outer.first.count = -7;
  outer.first.rate = 0.1;
  outer.first.generator = Generator(~std::uint64_t{0}, 12);
  fill_with(outer.first.queue, 4);
  const TensorMap saved = collected(outer);
  fill_with(outer.first.queue, 5);

  Outer other;
  const Tensor handle = other.first.queue;
  restore(other, saved);
  CHECK(other.first.count == -7);
  CHECK(other.first.rate == 0.1);
  CHECK(other.first.generator.seed() == ~std::uint64_t{0});
  CHECK(other.first.generator.draw() == 12);
  CHECK(handle.data<float>()[2] == 4);
  CHECK(other.first.layer.weight.tensor().data<float>()[3] ==
        outer.first.layer.weight.tensor().data<float>()[3]);
  CHECK_FALSE(other.first.absent.defined());
}

TEST_CASE("missing, unknown and misshapen entries are refused by name") {
  Outer outer;
  TensorMap saved = collected(outer);
  const auto refused = [&](const TensorMap& tensors, const char* why) {
    Outer other;
    CHECK_THROWS_WITH_AS(restore(other, tensors), doctest::Contains(why), InputError);
  };
  TensorMap less = saved;
  less.erase("second.count");
  refused(less, "'second.count' is missing");
  less = saved;
  less.erase("first.layer.bias");
  refused(less, "doesn't fit the model: 1 tensor missing (first.layer.bias)");
  TensorMap more = saved;
  more["third"] = zeros({1});
  refused(more, "1 tensor unknown to the model (third)");
  TensorMap wrong = saved;
  wrong["first.queue"] = zeros({4});
  refused(wrong, "'first.queue' is float32[4] but the model has float32[3]");
  wrong = saved;
  wrong["first.count"] = zeros({1});
  refused(wrong, "'first.count' is not an integer");
}

TEST_CASE("a name is saved once") {
  struct Twice {
    std::int64_t a = 0, b = 0;
    void state(State& s) {
      s.integer("n", a);
      s.integer("n", b);
    }
  } twice;
  State state;
  CHECK_THROWS_WITH_AS(twice.state(state), doctest::Contains("'n' is saved twice"), Error);
  State reading(TensorMap{{"n", zeros({}, int64)}});
  CHECK_THROWS_WITH_AS(twice.state(reading), doctest::Contains("'n' is asked for twice"), Error);
}

TEST_CASE("a module of another shape is refused before anything of it is restored") {
  Outer outer;
  TensorMap saved = collected(outer);
  saved["first.layer.bias"] = zeros({3});
  Outer other;
  fill_with(other.first.layer.weight, 7);
  CHECK_THROWS_WITH_AS(
      restore(other, saved),
      "checkpoint: doesn't fit the model: 1 tensor of another shape or type (first.layer.bias is "
      "float32[3], the model's is float32[2])",
      InputError);
  CHECK(other.first.layer.weight.tensor().data<float>()[0] == 7);
}

TEST_CASE("saving and loading a file needs no second copy of the state") {
  struct Big {
    std::vector<Tensor> parts;
    Big() {
      for (int i = 0; i < 8; ++i) parts.push_back(full({1 << 18}, i));
    }
    void state(State& s) {
      for (std::size_t i = 0; i < parts.size(); ++i) s.tensor(std::to_string(i), parts[i]);
    }
  } big;
  constexpr std::int64_t kPart = 4 << 18;
  const fs::path path = fs::temp_directory_path() / ("tessera-big-state-" + std::to_string(getpid()));
  Allocator& memory = allocator(Device::cpu);
  const auto peak_of = [&](const auto& work) {
    memory.reset_peak();
    const std::int64_t before = memory.stats().live_bytes;
    work();
    return memory.stats().peak_bytes - before;
  };
  CHECK(peak_of([&] { save_state(path, big); }) < kPart / 8);
  fill_with(big.parts[5], 0);
  CHECK(peak_of([&] { load_state(path, big); }) < kPart + kPart / 8);
  CHECK(big.parts[5].data<float>()[9] == 5);
  fs::remove(path);
}

TEST_CASE("files carry the format's version, and another is refused") {
  const fs::path path = fs::temp_directory_path() / ("tessera-state-" + std::to_string(getpid()));
  Outer outer;
  outer.second.count = 3;
  save_state(path, outer);
  Outer other;
  load_state(path, other);
  CHECK(other.second.count == 3);
  write_safetensors(path, collected(outer), {{"tessera_state_version", "0"}});
  CHECK_THROWS_WITH_AS(load_state(path, other), doctest::Contains("state version '0', this build reads '2'"),
                       InputError);
  fs::remove(path);
}

TEST_CASE("an optimiser's buffers survive, and a fresh optimiser's absence of them too") {
  Linear layer({.in = 2, .out = 2});
  const auto make = [&] { return Sgd({{named_parameters(layer), 0}}); };
  Sgd first = make();
  State empty;
  first.state(empty);
  CHECK(empty.tensors().size() == 1);  // how many steps were taken: none
  layer.weight.tensor().set_grad(full({2, 2}, 3));
  first.step(0.1);
  State saved;
  first.state(saved);
  REQUIRE(saved.tensors().contains("weight.momentum"));
  CHECK(saved.tensors().at("weight.momentum").data<float>()[0] == 3);

  // The same next step from the restored buffers: 0.9·3 + 3.
  Sgd second = make();
  State reading(saved.tensors());
  second.state(reading);
  second.step(0.1);
  State again;
  second.state(again);
  CHECK(again.tensors().at("weight.momentum").data<float>()[0] == doctest::Approx(5.7));
}

TEST_CASE("PyTorch's layout: convolutions are permuted both ways, wrong files are refused") {
  seed_init(4);
  ResNet network({.width = 2, .stem = Stem::small}), other({.width = 2, .stem = Stem::small});
  TensorMap torch = torch_state_dict(network, "encoder.");
  const Tensor ours = network.conv1.weight, theirs = torch.at("encoder.conv1.weight");
  REQUIRE(theirs.shape() == Shape{2, 3, 3, 3});
  for (int o = 0; o < 2; ++o)
    for (int c = 0; c < 3; ++c)
      for (int k = 0; k < 9; ++k)
        CHECK(theirs.data<float>()[(o * 3 + c) * 9 + k] == ours.data<float>()[(o * 9 + k) * 3 + c]);

  torch.erase("encoder.bn1.num_batches_tracked");
  torch["projector.weight"] = zeros({1});
  load_torch_state_dict(other, torch, "file", {.prefix = "encoder."});
  CHECK(other.conv1.weight.tensor().data<float>()[5] == ours.data<float>()[5]);
  CHECK(other.stages[3][1].bn2->running_var.data<float>()[1] == 1);

  torch["encoder.conv1.weight"] = full({2, 3, 3, 3}, 0.5, float16);
  load_torch_state_dict(other, torch, "file", {.prefix = "encoder."});
  CHECK(other.conv1.weight.tensor().data<float>()[5] == 0.5F);

  torch["encoder.head.weight"] = zeros({1});
  load_torch_state_dict(other, torch, "file", {.prefix = "encoder.", .pass_over = {"head."}});
}

TEST_CASE("a state dict that doesn't fit is refused on one line, and nothing is loaded") {
  seed_init(5);
  ResNet network({.width = 2, .stem = Stem::small}), other({.width = 2, .stem = Stem::small});
  TensorMap torch = torch_state_dict(network, "encoder.");
  for (const char* name : {"bn1.weight", "bn1.bias", "layer1.0.bn1.weight", "layer4.1.bn2.bias"})
    torch.erase(std::string("encoder.") + name);
  torch["encoder.head"] = zeros({1});
  torch["encoder.conv1.weight"] = zeros({2, 3, 3, 4});
  const float before = other.conv1.weight.tensor().data<float>()[0];
  CHECK_THROWS_WITH_AS(
      load_torch_state_dict(other, torch, "file", {.prefix = "encoder."}),
      "file: doesn't fit the model: 4 tensors missing (encoder.bn1.weight, encoder.bn1.bias, "
      "encoder.layer1.0.bn1.weight, …); 1 tensor unknown to the model (encoder.head); 1 tensor of another "
      "shape or type (encoder.conv1.weight is float32[2, 3, 3, 4], the model's is float32[2, 3, 3, 3])",
      InputError);
  CHECK(other.conv1.weight.tensor().data<float>()[0] == before);
}

}  // namespace tsr::test
