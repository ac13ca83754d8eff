// Hooks on gradients, and gradients of tensors that are no leaves.
#include "autograd/hooks.h"

#include <doctest/doctest.h>

#include "autograd/op.h"
#include "tests/autograd/tape_helpers.h"

namespace tsr::test {
namespace {

TEST_CASE("a hook sees the whole gradient once, and may replace it") {
  Tensor x = leaf(3);
  const Tensor y = x * 2.0, z = y * y + y;  // arrives in parts: 2y, 1
  int calls = 0;
  double seen = 0;
  register_hook(y, [&](const Tensor& grad) {
    ++calls;
    seen = grad.item();
    return Tensor();
  });
  register_hook(y, [](const Tensor& grad) { return grad * 10.0; });
  register_hook(y, [&](const Tensor& grad) {
    CHECK(grad.item() == 130);  // in the order of registration
    return Tensor();
  });
  z.backward();
  CHECK(calls == 1);
  CHECK(seen == 13);
  CHECK(x.grad().item() == 260);
}

TEST_CASE("a leaf's hook runs before its gradient is added, once a backward") {
  Tensor x = leaf(3);
  int calls = 0;
  const HookHandle handle = register_hook(x, [&](const Tensor& grad) {
    ++calls;
    return grad * 0.5;
  });
  (x * x + x).backward();
  CHECK(calls == 1);
  CHECK(x.grad().item() == 3.5);
  (x * 2.0).backward();
  CHECK(x.grad().item() == 4.5);
  CHECK(grad(x * x, {x})[0].item() == 3);  // grad() hears of hooks too
  CHECK(calls == 3);
}

TEST_CASE("a handle takes its own hook away, and no other") {
  Tensor x = leaf(1);
  HookHandle ten = register_hook(x, [](const Tensor& grad) { return grad * 10.0; });
  HookHandle two = register_hook(x, [](const Tensor& grad) { return grad * 2.0; });
  CHECK(grad(x * 1.0, {x})[0].item() == 20);
  ten.remove();
  CHECK(grad(x * 1.0, {x})[0].item() == 2);
  ten.remove();
  two.remove();
  CHECK(grad(x * 1.0, {x})[0].item() == 1);
  HookHandle orphan;
  orphan.remove();
  {
    const Tensor y = x * 1.0;
    orphan = register_hook(y, [](const Tensor& grad) { return grad; });
  }
  orphan.remove();
}

TEST_CASE("a hook may remove itself while it runs") {
  Tensor x = leaf(1);
  HookHandle once;
  int calls = 0;
  once = register_hook(x, [&](const Tensor& grad) {
    ++calls;
    once.remove();
    return grad * 3.0;
  });
  CHECK(grad(x * 1.0, {x})[0].item() == 3);
  CHECK(grad(x * 1.0, {x})[0].item() == 1);
  CHECK(calls == 1);
}

TEST_CASE("what a hook does under create_graph is on the tape") {
  Tensor x = leaf(3), gain = leaf(5);
  const Tensor y = x * 1.0;
  HookHandle handle = register_hook(y, [&](const Tensor& grad) { return grad * gain; });
  const Tensor slope = grad(y * y, {x}, {}, {.create_graph = true})[0];
  CHECK(slope.item() == 30);
  handle.remove();  // it would meet the second gradient too
  const Tensors second = grad(slope, {x, gain});
  CHECK(second[0].item() == 10);
  CHECK(second[1].item() == 6);
}

TEST_CASE("a hook that makes something else of a gradient is refused") {
  Tensor x = leaf(1, {2});
  const Tensor y = x * 1.0;
  register_hook(y, [](const Tensor&) { return ones({3}, float64); });
  CHECK_THROWS_WITH_AS(
      sum(y).backward(),
      "register_hook: a hook on the result of mul made float64[3] of the gradient float64[2]; "
      "shape, dtype and device must stay",
      Error);
  CHECK_THROWS_WITH_AS(register_hook(ones({2}), [](const Tensor& grad) { return grad; }),
                       "register_hook: float32[2] requires no gradient; mark a leaf with requires_grad_(), "
                       "or record outside of "
                       "NoGrad",
                       Error);
}

TEST_CASE("a leaf is told as soon as its gradient is complete") {
  Tensor early = leaf(2), late = leaf(3);
  std::string order;
  register_post_accumulate_grad_hook(late, [&](const Tensor& leaf) {
    order += "late ";
    CHECK(leaf.is_same(late));
    CHECK(leaf.grad().item() == 13);  // both uses
  });
  register_post_accumulate_grad_hook(early, [&](const Tensor& leaf) {
    order += "early ";
    CHECK(leaf.grad().item() == 15);
    leaf.set_grad({});  // as an optimiser that steps at once would
  });
  const Tensor hidden = early * 5.0;
  register_hook(hidden, [&](const Tensor&) {
    order += "hidden ";
    return Tensor();
  });
  (hidden * late + late * 3.0).backward();
  CHECK(order == "late hidden early ");
  CHECK_FALSE(early.grad().defined());
}

TEST_CASE("hooks after accumulation: removal, grad(), a leaf as the output, only leaves") {
  Tensor x = leaf(2);
  int calls = 0;
  HookHandle handle = register_post_accumulate_grad_hook(x, [&](const Tensor&) { ++calls; });
  CHECK(grad(x * x, {x})[0].item() == 4);
  CHECK(calls == 0);
  x.backward();
  CHECK(calls == 1);
  backward({x, x * x});
  CHECK(calls == 2);
  CHECK(x.grad().item() == 6);
  handle.remove();
  (x * x).backward();
  CHECK(calls == 2);
  CHECK_FALSE(any_leaf_hooks());
  CHECK_THROWS_WITH_AS(register_post_accumulate_grad_hook(x * 2.0, [](const Tensor&) {}),
                       "register_post_accumulate_grad_hook: float64[] is the result of mul, and only leaves "
                       "accumulate; use register_hook()",
                       Error);
}

const OpInfo kDeaf("deaf");

/// x, which passes no gradient on.
Tensor deaf(const Tensor& x) {
  Op op(kDeaf, {x});
  return op.record(x.clone(), [](const Tensor&, const Needs&) { return Tensors{Tensor()}; });
}

TEST_CASE("a leaf that gets no gradient from some of its uses is told all the same") {
  Tensor x = leaf(2);
  int calls = 0;
  register_post_accumulate_grad_hook(x, [&](const Tensor& leaf) {
    ++calls;
    CHECK(leaf.grad().item() == 3);
  });
  (deaf(x * 100.0) + x * 3.0 + deaf(x)).backward();  // the first use is never reached
  CHECK(calls == 1);
}

TEST_CASE("retain_grad keeps the gradient of what is no leaf, after its hooks") {
  Tensor x = leaf(3);
  const Tensor y = x * 2.0, z = y * y;
  CHECK_FALSE(y.grad().defined());
  retain_grad(y);
  register_hook(y, [](const Tensor& grad) { return grad * 10.0; });
  backward(z, {}, {.retain_graph = true});
  CHECK(y.grad().item() == 120);
  backward(z, {}, {.retain_graph = true});
  CHECK(y.grad().item() == 240);
  y.set_grad({});
  grad(z, {x});
  CHECK_FALSE(y.grad().defined());  // grad() leaves every .grad alone
  retain_grad(x);                   // does so anyway
  CHECK(x.grad().item() == 480);
  CHECK_THROWS_WITH_AS(retain_grad(ones({2})),
                       doctest::Contains("retain_grad: float32[2] requires no gradient"), Error);
}

TEST_CASE("a hook may run a backward of its own") {
  Tensor x = leaf(2), other = leaf(7);
  const Tensor y = x * x, aside = other * other;
  register_hook(y, [&](const Tensor&) {
    aside.backward();
    CHECK_FALSE(grad_enabled());
    return Tensor();
  });
  y.backward();
  CHECK(other.grad().item() == 14);
  CHECK(x.grad().item() == 4);
}

}  // namespace
}  // namespace tsr::test
