// Checkpointing: the gradients of the plain call, for less memory.
#include "autograd/checkpoint.h"

#include <doctest/doctest.h>

#include "autograd/hooks.h"
#include "tensor/random.h"
#include "tests/autograd/tape_helpers.h"

namespace tsr::test {
namespace {

Tensor random_leaf(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  Tensor x = normal(shape, generator, 0, 0.5, float64);
  x.requires_grad_();
  return x;
}

/// Two layers with a parameter each, counting calls.
struct Block {
  Tensor w1 = random_leaf({8, 8}, 1), w2 = random_leaf({8, 8}, 2);
  int calls = 0;

  Tensor operator()(const Tensor& x) {
    ++calls;
    return tanh(matmul(exp(matmul(x, w1) * 0.1), w2) * 0.3);
  }
};

TEST_CASE("a checkpoint gives the plain call's gradients, to the bit, by a second run") {
  Block block;
  Tensor x = random_leaf({4, 8}, 3);
  const Tensors leaves{x, block.w1, block.w2};
  const auto loss_of = [](const Tensor& y) { return sum(y * y); };
  const Tensors plain = grad(loss_of(block(x * 1.0)), leaves);
  block.calls = 0;
  const Tensor y = checkpoint([&](const Tensors& in) { return block(in[0]); }, {x * 1.0});
  CHECK(block.calls == 1);
  const Tensors ours = grad(loss_of(y), leaves);
  CHECK(block.calls == 2);
  for (std::size_t i = 0; i < leaves.size(); ++i) CHECK(values(ours[i]) == values(plain[i]));
  // by backward() into the leaves, parameters that the function captures included
  loss_of(checkpoint([&](const Tensors& in) { return block(in[0]); }, {x})).backward();
  for (std::size_t i = 0; i < leaves.size(); ++i) CHECK(values(leaves[i].grad()) == values(plain[i]));
}

TEST_CASE("a checkpoint keeps only its inputs") {
  constexpr std::int64_t kBytes = 10000 * 8;
  Tensor x = leaf(0.1, {10000});
  const auto deep = [](const Tensors& in) {
    Tensor y = in[0];
    for (int i = 0; i < 20; ++i) y = tanh(y);
    return y;
  };
  const std::int64_t before = live_bytes();
  {
    const Tensor plain = deep({x});
    CHECK(live_bytes() - before >= 20 * kBytes);
  }
  CHECK(live_bytes() == before);
  Tensor y = checkpoint(deep, {x});
  CHECK(live_bytes() - before <= 2 * kBytes);
  y = checkpoint(deep, {y});
  CHECK(live_bytes() - before <= 3 * kBytes);
  const Tensor loss = sum(y);
  allocator(Device::cpu).reset_peak();
  loss.backward();
  const std::int64_t peak = allocator(Device::cpu).stats().peak_bytes - before;
  CHECK(peak <= 28 * kBytes);  // one segment at a time; both would be 40
  y = Tensor();
  x.set_grad({});
  CHECK(live_bytes() - before <= 1024);  // the loss
}

TEST_CASE("a checkpoint draws the same the second time, whatever has become of the generators") {
  Tensor x = random_leaf({100}, 1);
  Generator outer(7);
  const auto dropout = [](const Tensor& v, Generator& random) {
    return v * cast(lt(uniform(v.shape(), random, 0, 1, float64), scalar(0.5, float64)), float64);
  };
  const auto noisy = [&](const Tensors& in) {
    Generator local = outer.fork(3);
    const Tensor once = dropout(exp(in[0]), outer) + normal(in[0].shape(), local, 0, 1, float64) * in[0];
    return dropout(once * once, outer);
  };
  outer = Generator(7);
  const Tensor plain = grad(sum(noisy({x})), {x})[0];
  const std::uint64_t advanced = outer.draw();
  outer = Generator(7);
  const Tensor loss = sum(checkpoint(noisy, {x}));
  CHECK(outer.draw() == advanced);
  outer = Generator(1234);  // as another step, or a restart, would
  CHECK(values(grad(loss, {x})[0]) == values(plain));
  CHECK(outer.draw() == 0);  // the second run takes nothing from the stream
  CHECK(outer.seed() == 1234);
}

TEST_CASE("nested checkpoints") {
  Block first, second;
  Tensor x = random_leaf({4, 8}, 3);
  Generator random(5);
  const auto noise = [&](const Tensor& v) { return v + v * normal(v.shape(), random, 0, 0.1, float64); };
  const auto inner = [&](const Tensors& in) { return noise(second(in[0])) * in[1]; };
  const auto run = [&](bool outer_on, bool inner_on) {
    random = Generator(5);
    const std::function<Tensor(const Tensors&)> outer = [&, inner_on](const Tensors& in) {
      const Tensor h = noise(first(in[0]));
      return exp((inner_on ? checkpoint(inner, {h, tanh(h)}) : inner({h, tanh(h)})) + h);
    };
    return sum(outer_on ? checkpoint(outer, {x * 2.0}) : outer({x * 2.0}));
  };
  const Tensors leaves{x, first.w1, first.w2, second.w1, second.w2};
  const Tensors plain = grad(run(false, false), leaves);
  for (const int which : {1, 2, 3}) {
    const bool outer_on = (which & 1) != 0, inner_on = (which & 2) != 0;
    CAPTURE(outer_on);
    CAPTURE(inner_on);
    first.calls = second.calls = 0;
    const Tensors ours = grad(run(outer_on, inner_on), leaves);
    for (std::size_t i = 0; i < leaves.size(); ++i) CHECK(values(ours[i]) == values(plain[i]));
    CHECK(first.calls == 1 + outer_on);
    CHECK(second.calls == 1 + outer_on + inner_on);
  }
}

TEST_CASE("nested checkpoints hold only the outer's inputs") {
  constexpr std::int64_t kBytes = 10000 * 8;
  Tensor x = leaf(0.1, {10000});
  const auto inner = [](const Tensors& in) { return tanh(tanh(tanh(tanh(in[0])))); };
  const auto outer = [&](const Tensors& in) {
    Tensor y = in[0];
    for (int i = 0; i < 5; ++i) y = checkpoint(inner, {y});
    return y;
  };
  const std::int64_t before = live_bytes();
  const Tensor y = checkpoint(outer, {x});
  CHECK(live_bytes() - before <= 2 * kBytes);
  const Tensor loss = sum(y);
  allocator(Device::cpu).reset_peak();
  loss.backward();
  CHECK(allocator(Device::cpu).stats().peak_bytes - before <=
        16 * kBytes);  // 5 inputs and one inner at a time
}

TEST_CASE("gradients of gradients through a checkpoint") {
  Block block;
  Tensor x = random_leaf({4, 8}, 3);
  const Tensors leaves{x, block.w1, block.w2};
  const auto penalty = [&](const Tensor& y) {
    const Tensor slope = grad(sum(y * y), {x}, {}, {.create_graph = true})[0];
    return sum(slope * slope);
  };
  const auto body = [&](const Tensors& in) { return block(in[0] * in[0]); };
  const Tensors plain = grad(penalty(body({x})), leaves), ours = grad(penalty(checkpoint(body, {x})), leaves);
  for (std::size_t i = 0; i < leaves.size(); ++i) CHECK(values(ours[i]) == values(plain[i]));
}

TEST_CASE("several results, inputs without gradient, and results that are inputs") {
  Tensor x = random_leaf({3}, 1);
  const Tensor mask = from_values(std::vector<double>{1, 0, 2}, {3}), index = arange(3);
  const auto both = [](const Tensors& in) {
    return Tensors{exp(in[0]) * in[1], index_select(in[0] * in[0], 0, in[2]), in[0]};
  };
  const auto total = [](const Tensors& y) { return sum(y[0] * y[1] + y[2]); };
  const Tensor plain = grad(total(both({x, mask, index})), {x})[0];
  CHECK(values(grad(total(checkpoint(both, {x, mask, index})), {x})[0]) == values(plain));
}

TEST_CASE("running statistics are updated once") {
  Tensor x = random_leaf({16, 4}, 1), weight = leaf(1, {4}), bias = leaf(0, {4});
  Tensors moved, slopes;
  for (const bool checkpointed : {false, true}) {
    const Tensor mean = zeros({4}, float64), variance = ones({4}, float64);
    const auto norm = [&](const Tensors& in) {
      return batch_norm(in[0] * 2.0, weight, bias, mean, variance, {.relu = true});
    };
    const Tensor y = checkpointed ? checkpoint(norm, {x}) : norm({x});
    slopes.push_back(grad(sum(y * y * y), {x})[0]);
    moved.push_back(mean);
    moved.push_back(variance);
  }
  CHECK(values(moved[0]) == values(moved[2]));
  CHECK(values(moved[1]) == values(moved[3]));
  CHECK(values(slopes[0]) == values(slopes[1]));
}

TEST_CASE("recomputing() tells the second run from the first") {
  Tensor x = leaf(2);
  std::vector<bool> seen;
  const Tensor y = checkpoint(
      [&](const Tensors& in) {
        seen.push_back(recomputing());
        return exp(in[0] * 1.0);
      },
      {x});
  y.backward();
  CHECK(seen == std::vector<bool>{false, true});
  CHECK_FALSE(recomputing());
  CHECK_FALSE(in_checkpoint());
}

TEST_CASE("with retain_graph a checkpoint serves twice") {
  Block block;
  Tensor x = random_leaf({4, 8}, 3);
  const Tensor loss = sum(checkpoint([&](const Tensors& in) { return block(in[0]); }, {x}));
  backward(loss, {}, {.retain_graph = true});
  const Numbers once = values(x.grad());
  loss.backward();
  for (std::size_t i = 0; i < once.size(); ++i) CHECK(values(x.grad())[i] == 2 * once[i]);
  CHECK_THROWS_WITH_AS(loss.backward(), doctest::Contains("was freed by an earlier backward"), Error);
}

TEST_CASE("without recording, a checkpoint is a call") {
  Tensor x = leaf(2);
  int calls = 0;
  const auto f = [&](const Tensors& in) {
    ++calls;
    return exp(in[0]);
  };
  {
    const NoGrad guard;
    CHECK_FALSE(checkpoint(f, {x}).requires_grad());
  }
  CHECK_FALSE(checkpoint(f, {x.detach()}).requires_grad());
  CHECK(calls == 2);
}

TEST_CASE("hooks inside of a checkpoint stay with the first run") {
  Tensor x = leaf(3);
  int calls = 0;
  const Tensor y = checkpoint(
      [&](const Tensors& in) {
        const Tensor h = exp(in[0] * 0.0);
        register_hook(h, [&](const Tensor& grad) {
          ++calls;
          return grad * 7.0;
        });
        return h * in[0];
      },
      {x});
  y.backward();
  CHECK(calls == 1);
  CHECK(x.grad().item() == 1);
}

TEST_CASE("what a checkpoint can't run again is refused") {
  Tensor x = leaf(2, {3}), w = leaf(1, {3});
  SUBCASE("an input that changed") {
    const Tensor y = sum(checkpoint([](const Tensors& in) { return exp(in[0] * in[0]); }, {x}));
    {
      const NoGrad guard;
      fill_with(x, 0);
    }
    CHECK_THROWS_WITH_AS(y.backward(), doctest::Contains("was changed in place by fill"), Error);
  }
  SUBCASE("a parameter that changed, though no op saved it") {
    const Tensor y = sum(checkpoint([&](const Tensors& in) { return exp(in[0] + w); }, {x}));
    {
      const NoGrad guard;
      fill_with(w, 0);
    }
    CHECK_THROWS_WITH_AS(y.backward(),
                         "checkpoint: float64[3], which add used, was changed in place by fill since, so the "
                         "function can't be run again; change it after backward",
                         Error);
  }
  SUBCASE("a constant that changed") {
    const Tensor data = ones({3}, float64);
    const Tensor y = sum(checkpoint([&](const Tensors& in) { return in[0] * data; }, {x}));
    fill_with(data, 3);
    CHECK_THROWS_WITH_AS(y.backward(),
                         "checkpoint: float64[3] saved by mul was changed in place by fill since; change a "
                         "clone, or change it after backward",
                         Error);
  }
  SUBCASE("a function that goes another way") {
    int kept = 1;
    const auto growing = [&](const Tensors& in) {
      Tensor y = in[0];
      for (int i = 0; i < kept; ++i) y = exp(y * 0.1);
      return y;
    };
    Tensor y = sum(checkpoint(growing, {x}));
    kept = 2;
    CHECK_THROWS_WITH_AS(
        y.backward(),
        "checkpoint: run again, the function keeps more than the 2 tensors it kept at first; "
        "it must do the same each time",
        Error);
    y = sum(checkpoint(growing, {x}));
    kept = 1;
    CHECK_THROWS_WITH_AS(y.backward(), doctest::Contains("the function keeps 2 tensors, at first it kept"),
                         Error);
    CHECK_FALSE(recomputing());
    CHECK_FALSE(in_checkpoint());
  }
  SUBCASE("a function that draws more, or fewer") {
    int draws = 1;
    Generator random(1);
    const auto noisy = [&](const Tensors& in) {
      for (int i = 0; i < draws; ++i) uniform({1}, random);
      return exp(in[0]);
    };
    Tensor y = sum(checkpoint(noisy, {x}));
    draws = 2;
    CHECK_THROWS_WITH_AS(y.backward(), doctest::Contains("draws more than the first time"), Error);
    y = sum(checkpoint(noisy, {x}));
    draws = 1;
    CHECK_THROWS_WITH_AS(y.backward(), doctest::Contains("draws fewer random numbers than at first"), Error);
  }
  SUBCASE("a backward inside") {
    CHECK_THROWS_WITH_AS(
        checkpoint([](const Tensors& in) { return grad(sum(exp(in[0] * 1.0)), {in[0]})[0]; }, {x}),
        doctest::Contains("checkpoint: the function runs a backward through itself"), Error);
  }
}

}  // namespace
}  // namespace tsr::test
