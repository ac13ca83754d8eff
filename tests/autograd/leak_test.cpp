// Live bytes after a thousand steps are those after ten, whatever a step does.
#include <doctest/doctest.h>
#include <functional>

#include "autograd/checkpoint.h"
#include "autograd/hooks.h"
#include "autograd/op.h"
#include "nn/layers.h"
#include "nn/optim.h"
#include "tensor/random.h"
#include "tests/autograd/tape_helpers.h"

namespace tsr::test {
namespace {

void check_steady(const std::function<void()>& step) {
  for (int i = 0; i < 10; ++i) step();
  const std::int64_t after_ten = live_bytes();
  for (int i = 10; i < 1000; ++i) step();
  CHECK(live_bytes() == after_ten);
}

struct Mlp : Module {
  Linear fc1{{.in = 4, .out = 8}}, fc2{{.in = 8, .out = 3}};
  BatchNorm norm{{.channels = 8}};

  Tensor operator()(const Tensor& x) { return fc2(norm(fc1(x), true)); }
  void visit(Visitor& v) override {
    v.child("fc1", fc1);
    v.child("norm", norm);
    v.child("fc2", fc2);
  }
};

TEST_CASE("training leaks nothing") {
  Generator random(1);
  Mlp model;
  Sgd optimizer({{named_parameters(model)}}, {.momentum = 0.9});
  const Tensor x = normal({6, 4}, random),
               labels = from_values(std::vector<std::int64_t>{0, 1, 2, 0, 1, 2}, {6});
  const auto train = [&](const Tensor& out) {
    const Tensor loss = cross_entropy(out, labels);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step(0.01);
  };
  SUBCASE("plainly") {
    check_steady([&] { train(model(x)); });
  }
  SUBCASE("with a checkpoint") {
    check_steady([&] {
      train(checkpoint([&](const Tensors& in) { return model(in[0]); }, {x + uniform({6, 4}, random)}));
    });
  }
  SUBCASE("with hooks") {
    check_steady([&] {
      const Tensor hidden = model.fc1(x);
      register_hook(hidden, [](const Tensor& grad) { return grad * 0.5; });
      retain_grad(hidden);
      HookHandle after = register_post_accumulate_grad_hook(model.fc1.weight, [](const Tensor&) {});
      HookHandle before = register_hook(model.fc1.weight, [](const Tensor& grad) { return grad * 2.0; });
      train(model.fc2(model.norm(hidden, true)));
      after.remove();
      before.remove();
    });
  }
}

TEST_CASE("graphs that are dropped without a backward leak nothing") {
  Tensor x = leaf(0.5, {3, 3});
  check_steady([&] {
    const Tensor y = softmax(matmul(tanh(x), exp(x)));
    const Tensor kept = checkpoint([](const Tensors& in) { return exp(tanh(in[0])); }, {y});
    register_hook(kept, [x](const Tensor& grad) { return grad; });
    retain_grad(y);
  });
}

TEST_CASE("gradients of gradients leak nothing") {
  SUBCASE("by grad()") {
    Tensor x = leaf(0.5, {3, 3});
    check_steady([&] {
      const Tensor slope = grad(sum(softmax(matmul(tanh(x), exp(x)))), {x}, {}, {.create_graph = true})[0];
      grad(sum(slope * slope), {x});
    });
  }
  SUBCASE("by grad(), never walked again") {
    Tensor x = leaf(0.5, {3, 3});
    check_steady([&] { grad(sum(exp(tanh(x))), {x}, {}, {.create_graph = true}); });
  }
  SUBCASE("by backward() into leaves that are dropped with it: a gradient doesn't own itself") {
    check_steady([] {
      Tensor x = leaf(0.5, {3, 3});
      backward(sum(x * x * exp(x)), {}, {.create_graph = true});
      CHECK(x.grad().requires_grad());
      Tensor w = leaf(0.5, {3, 3});
      backward(sum(x * w), {}, {.create_graph = true});
      backward(sum(w.grad() * w.grad()));
    });
  }
  SUBCASE("through a checkpoint") {
    Tensor x = leaf(0.5, {3, 3});
    check_steady([&] {
      const Tensor y = checkpoint([](const Tensors& in) { return exp(tanh(in[0])); }, {x * 1.0});
      const Tensor slope = grad(sum(y * y), {x}, {}, {.create_graph = true})[0];
      grad(sum(slope * slope), {x});
    });
  }
}

const OpInfo kFails("fails");

/// x, whose backward throws.
Tensor fails(const Tensor& x) {
  Op op(kFails, {x});
  return op.record(x.clone(), [x = op.save(x)](const Tensor&, const Needs&) -> Tensors {
    throw Error(text("fails with ", describe(x.get())));
  });
}

TEST_CASE("exceptions in the middle leak nothing") {
  Tensor x = leaf(0.5, {3, 3}), w = leaf(0.1, {3, 3});
  const auto thrown = [](const std::function<void()>& body) {
    CHECK_THROWS_AS(body(), Error);
    CHECK(grad_enabled());
    CHECK_FALSE(in_checkpoint());
    CHECK_FALSE(recomputing());
  };
  SUBCASE("in a backward") {
    check_steady([&] {
      const Tensor y = sum(exp(fails(tanh(x)) * w) + w * w);
      thrown([&] { y.backward(); });
      w.set_grad({});
    });
  }
  SUBCASE("in a backward under create_graph, and again") {
    check_steady([&] {
      const Tensor y = sum(exp(fails(tanh(x)) * w));
      for (int i = 0; i < 2; ++i) thrown([&] { grad(y, {x, w}, {}, {.create_graph = true}); });
    });
  }
  SUBCASE("in a hook") {
    check_steady([&] {
      const Tensor h = tanh(x);
      register_hook(h, [](const Tensor&) -> Tensor { throw Error("hook"); });
      thrown([&] { sum(exp(h) * w).backward(); });
      w.set_grad({});
    });
  }
  SUBCASE("in a checkpoint's first or second run") {
    check_steady([&] {
      int runs = 0, throws_at = 1;
      const auto body = [&](const Tensors& in) {
        const Tensor y = exp(tanh(in[0]) * w);
        if (++runs == throws_at) throw Error("run");
        return exp(y);
      };
      thrown([&] { checkpoint(body, {x}); });
      throws_at = 3;
      const Tensor y = sum(checkpoint(body, {x}));
      thrown([&] { backward(y); });
    });
  }
  SUBCASE("in an op's forward") {
    check_steady([&] { thrown([&] { matmul(exp(x), leaf(1, {2, 2})); }); });
  }
}

}  // namespace
}  // namespace tsr::test
