// The tape: accumulation, lifetime, modes and what its errors say.
#include "autograd/tape.h"

#include <cmath>
#include <doctest/doctest.h>
#include <thread>

#include "autograd/gradcheck.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tests/autograd/tape_helpers.h"

namespace tsr {
namespace {

using test::leaf;
using test::live_bytes;
using test::Numbers;
using test::values;

TEST_CASE("a chain of a million nodes goes back and is destroyed without recursion") {
  constexpr int kLength = 1000000;
  SUBCASE("backward, then destruction") {
    Tensor x = leaf(1), y = x;
    for (int i = 0; i < kLength; ++i) y = neg(y);
    y.backward();
    CHECK(x.grad().item() == 1);
  }
  SUBCASE("grad(), which surveys the graph first") {
    Tensor x = leaf(1), y = x;
    for (int i = 0; i < kLength; ++i) y = neg(y);
    CHECK(grad(y, {x})[0].item() == 1);
  }
  SUBCASE("gradients of gradients") {
    Tensor x = leaf(1), y = x * x;
    for (int i = 0; i < kLength / 10; ++i) y = y * 1.0;
    const Tensor slope = grad(y, {x}, {}, {.create_graph = true})[0];
    CHECK(grad(slope, {x})[0].item() == 2);
  }
  SUBCASE("destruction of a tape that nobody walked") {
    const std::int64_t before = live_bytes();
    {
      Tensor y = leaf(1);
      for (int i = 0; i < kLength / 4; ++i) y = exp(y * 0.0);  // saves inputs and outputs as well
    }
    CHECK(live_bytes() == before);
  }
}

TEST_CASE("gradients of several uses add up") {
  Tensor x = leaf(3);
  const Tensor y = x * x + x + x * 2.0;
  y.backward();
  CHECK(x.grad().item() == 9);
  (x * 5.0).backward();  // and with those of an earlier backward
  CHECK(x.grad().item() == 14);
  Tensor a = leaf(2), shared = a * 3.0, z = shared * shared + exp(shared * 0.0);
  z.backward();
  CHECK(a.grad().item() == 36);
  Tensor many = leaf(1), total = scalar(0, float64);
  for (int i = 0; i < 100; ++i) total = total + many;
  total.backward();
  CHECK(many.grad().item() == 100);
}

TEST_CASE("a diamond is walked once a node") {
  Tensor x = leaf(1), y = x;
  for (int i = 0; i < 60; ++i) y = (y + y) * 0.5;  // 2^60 paths
  y.backward();
  CHECK(x.grad().item() == 1);
}

TEST_CASE("a second backward needs retain_graph") {
  Tensor x = leaf(2);
  const Tensor y = x * x;
  backward(y, {}, {.retain_graph = true});
  y.backward();
  CHECK(x.grad().item() == 8);
  CHECK_THROWS_WITH_AS(
      y.backward(),
      "backward: the graph of mul was freed by an earlier backward; pass retain_graph = true to "
      "that one",
      Error);
}

TEST_CASE("a saved tensor that changed is caught, and both ops are named") {
  Tensor x = leaf(2, {3});
  const Tensor y = exp(x * 1.0), z = sum(y);
  fill_with(y.detach(), 0);
  CHECK_THROWS_WITH_AS(
      z.backward(),
      "backward: float64[3] saved by exp was changed in place by fill since; change a clone, or "
      "change it after backward",
      Error);
  Tensor w = leaf(2, {3});
  const Tensor loss = sum(w * w);
  {
    NoGrad guard;
    copy_into(w, zeros({3}, float64));
  }
  CHECK_THROWS_WITH_AS(loss.backward(), doctest::Contains("saved by mul was changed in place by copy"),
                       Error);
  const Tensor fine = sum(w + 1.0);  // add saves nothing
  fill_with(w, 7);
  fine.backward();
  CHECK(values(w.grad()) == Numbers{1, 1, 1});
}

TEST_CASE("in-place changes of what is on the tape are refused") {
  const Tensor x = leaf(1);
  CHECK_THROWS_WITH_AS(check_in_place("sgd", x), doctest::Contains("sgd: float64[] takes part in a tape"),
                       Error);
  NoGrad guard;
  check_in_place("sgd", x);
}

TEST_CASE("NoGrad and detach leave no tape") {
  Tensor x = leaf(2);
  {
    NoGrad guard;
    CHECK_FALSE((x * x).requires_grad());
    GradMode again(true);
    CHECK((x * x).requires_grad());
  }
  CHECK(grad_enabled());
  CHECK_FALSE((x.detach() * 3.0).requires_grad());
  CHECK_FALSE(x.clone().requires_grad());
  const Tensor y = x * x.detach();
  y.backward();
  CHECK(x.grad().item() == 2);
  CHECK_THROWS_WITH_AS(x.detach().backward(),
                       doctest::Contains("depends on nothing that requires a gradient"), Error);
}

TEST_CASE("an exception restores the grad mode") {
  CHECK_THROWS_AS(
      [] {
        NoGrad guard;
        throw Error("x");
      }(),
      Error);
  CHECK(grad_enabled());
  Tensor x = leaf(1);
  const Tensor y = x * x;
  y.backward();
  CHECK_THROWS_AS(y.backward(), Error);
  CHECK(grad_enabled());
}

TEST_CASE("the grad mode is the thread's own") {
  NoGrad guard;
  bool other = false;
  std::thread([&] { other = grad_enabled(); }).join();
  CHECK(other);
  CHECK_FALSE(grad_enabled());
}

TEST_CASE("grad() returns gradients and leaves .grad alone") {
  Tensor x = leaf(3), w = leaf(5), unused = leaf(1);
  const Tensor hidden = x * w, y = hidden * hidden;
  const Tensors found = grad(y, {x, hidden, w, unused});
  CHECK(found[0].item() == 150);
  CHECK(found[1].item() == 30);
  CHECK(found[2].item() == 90);
  CHECK_FALSE(found[3].defined());
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(w.grad().defined());
  CHECK(grad(x * 1.0, {x}, scalar(4, float64))[0].item() == 4);
  CHECK_THROWS_WITH_AS(grad(x * 1.0, {scalar(1, float64)}), doctest::Contains("doesn't require a gradient"),
                       Error);
  CHECK_THROWS_WITH_AS(grad(x * 1.0, {}), "grad: no inputs given", Error);
}

TEST_CASE("several outputs are walked at once, as their sum") {
  Tensor x = leaf(3), w = leaf(5);
  const Tensor shared = x * w, a = shared * 2.0, b = shared * shared;
  CHECK(grad({a, b}, {x, shared}, {}, {.retain_graph = true})[0].item() == 160);  // 2w + 2xw²
  CHECK(grad({a, b}, {shared}, {scalar(10, float64), Tensor()}, {.retain_graph = true})[0].item() == 50);
  CHECK(grad({a, a}, {x}, {}, {.retain_graph = true})[0].item() == 20);
  CHECK(grad({b, shared, x}, {x, shared}, {}, {.retain_graph = true})[1].item() == 31);
  CHECK(grad({b, shared, x}, {x}, {}, {.retain_graph = true})[0].item() == 156);
  const Tensors first = grad({a, b}, {x}, {}, {.create_graph = true});
  CHECK(grad(first[0], {x, w}, {}, {.retain_graph = true})[0].item() == 50);  // 2w²
  backward({a, b, x});  // one walk: what is shared isn't freed under the second's feet
  CHECK(x.grad().item() == 161);
  CHECK(w.grad().item() == 96);
  CHECK_THROWS_WITH_AS(backward(Tensors{}), "backward: no outputs given", Error);
  CHECK_THROWS_WITH_AS(grad({x, w}, {x}, {Tensor()}),
                       "grad: 2 outputs but 1 gradients; pass one for each, undefined where the output is a "
                       "scalar",
                       Error);
}

const OpInfo kCounting("counting_identity");

/// x, counting its backwards.
Tensor counting_identity(const Tensor& x, int& backwards) {
  Op op(kCounting, {x});
  return op.record(x.clone(), [&backwards](const Tensor& grad, const Needs&) {
    ++backwards;
    return Tensors{grad};
  });
}

TEST_CASE("grad() computes only what lies between, and frees no more") {
  Tensor x = leaf(2), w = leaf(3);
  int wanted = 0, unwanted = 0;
  const Tensor left = counting_identity(x, wanted), right = counting_identity(w, unwanted), y = left * right;
  CHECK(grad(y, {x})[0].item() == 3);
  CHECK(wanted == 1);
  CHECK(unwanted == 0);
  CHECK(grad(right, {w})[0].item() == 1);        // its graph is still there
  CHECK(grad(sum(y * y), {y})[0].item() == 12);  // y's own graph is freed already, and not needed
}

TEST_CASE("a backward that gives a wrong gradient is refused by name") {
  static const OpInfo info("crooked");
  const auto crooked = [](const Tensor& x, const Tensors& grads) {
    Op op(info, {x});
    return op.record(x.clone(), [grads](const Tensor&, const Needs&) { return grads; });
  };
  Tensor x = leaf(1, {2});
  CHECK_THROWS_WITH_AS(
      backward(crooked(x, {ones({3}, float64)}), ones({2}, float64)),
      "crooked: its backward gives float64[3] as the gradient of input 0, which is float64[2]", Error);
  CHECK_THROWS_WITH_AS(
      backward(crooked(x, {ones({2})}), ones({2}, float64)),
      "crooked: its backward gives float32[2] as the gradient of input 0, which is float64[2]", Error);
  CHECK_THROWS_WITH_AS(backward(crooked(x, {}), ones({2}, float64)),
                       doctest::Contains("crooked: its backward gives 0 gradients for 1 inputs"), Error);
  backward(crooked(x, {Tensor()}), ones({2}, float64));  // undefined stands for zero
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("gradients that are added in place are nobody else's") {
  Tensor x = leaf(1, {3});
  sum(x * 2.0).backward();
  const Tensor kept = x.grad();
  sum(x * 2.0).backward();
  CHECK(values(kept) == Numbers{2, 2, 2});
  CHECK(values(x.grad()) == Numbers{4, 4, 4});
  // a node with many uses: the sum of its gradients is built up in place, the parts belong to others as well
  const Tensor y = x * 1.0, seed = full({3}, 1, float64);
  const Tensors parts = grad({y + y, y, y}, {y, x}, {seed, seed, seed});
  CHECK(values(parts[0]) == Numbers{4, 4, 4});
  CHECK(values(seed) == Numbers{1, 1, 1});
}

TEST_CASE("a leaf that wants no gradient any more gets none") {
  Tensor x = leaf(2), w = leaf(3);
  const Tensor y = x * w;
  x.requires_grad_(false);
  y.backward();
  CHECK_FALSE(x.grad().defined());
  CHECK(w.grad().item() == 2);
  x.requires_grad_(true);
  (x * w).backward();
  CHECK(x.grad().item() == 3);
}

TEST_CASE("grad() of the output itself, and of a leaf as output") {
  Tensor x = leaf(3);
  const Tensor y = x * 2.0;
  CHECK(grad(y, {y}, {}, {.retain_graph = true})[0].item() == 1);
  CHECK(grad(x, {x})[0].item() == 1);
  x.backward();
  CHECK(x.grad().item() == 1);
}

TEST_CASE("create_graph gives gradients of gradients") {
  Tensor x = leaf(2);
  const Tensor y = x * x * x;
  const Tensor first = grad(y, {x}, {}, {.create_graph = true})[0];
  CHECK(first.item() == 12);
  const Tensor second = grad(first, {x}, {}, {.create_graph = true})[0];
  CHECK(second.item() == 12);
  CHECK(grad(second, {x})[0].item() == 6);
  Tensor t = leaf(0.5);
  const Tensor slope = grad(tanh(t), {t}, {}, {.create_graph = true})[0];  // through a saved output
  const double th = std::tanh(0.5);
  CHECK(grad(slope, {t})[0].item() == doctest::Approx(-2 * th * (1 - th * th)));
}

TEST_CASE("gradients of leaves never share memory") {
  Tensor a = leaf(1, {3}), b = leaf(1, {3}), seed = full({3}, 2, float64);
  backward(a + b, seed);
  CHECK(a.grad().storage() != b.grad().storage());
  CHECK(a.grad().storage() != seed.storage());
  CHECK(b.grad().storage() != seed.storage());
  fill_with(a.grad(), 9);  // as clipping would
  CHECK(values(b.grad()) == Numbers{2, 2, 2});
  CHECK(values(seed) == Numbers{2, 2, 2});
  Tensor c = leaf(1, {3});
  sum(c).backward();  // arrives as a broadcast view of one number
  CHECK(c.grad().is_contiguous());
  Tensor d = leaf(1, {2}), e = leaf(1, {2});
  backward(concat({d, e}, 0), full({4}, 1, float64));
  CHECK(d.grad().storage() != e.grad().storage());
  for (bool create_graph : {false, true}) {
    const Tensors both = grad(a + b, {a, b}, seed, {.create_graph = create_graph});
    CHECK(both[0].storage() != both[1].storage());
  }
}

TEST_CASE("a dropped graph returns its memory, saved outputs included") {
  Tensor x = leaf(0.1, {100});
  const std::int64_t before = live_bytes();
  {
    const Tensor y = tanh(exp(sigmoid(relu(x))));  // each saves its own output
    const Tensor z = softmax(y * y);
    CHECK(live_bytes() > before);
  }
  CHECK(live_bytes() == before);
  {
    const Tensor loss = sum(l2_normalize(softmax(exp(x))));
    loss.backward();
    CHECK(x.grad().defined());
    x.set_grad({});
  }
  CHECK(live_bytes() == before);
  {
    const Tensor slope = grad(sum(exp(tanh(x))), {x}, {}, {.create_graph = true})[0];
    const Tensor second = grad(sum(slope), {x})[0];
    CHECK(second.defined());
  }
  CHECK(live_bytes() == before);
}

TEST_CASE("backward frees what was saved as it goes") {
  Tensor x = leaf(0.1, {1000});
  const std::int64_t before = live_bytes();
  Tensor y = x;
  for (int i = 0; i < 20; ++i) y = tanh(y);
  const Tensor loss = sum(y);
  y = Tensor();
  CHECK(live_bytes() >= before + 20 * 8000);
  loss.backward();
  CHECK(live_bytes() <= before + 8000 + 2048);  // x's gradient and the loss are left
}

TEST_CASE("requires_grad_ is for floating leaves") {
  CHECK_THROWS_WITH_AS(zeros({2}, int64).requires_grad_(),
                       "requires_grad_: int64[2] is not of a floating dtype", Error);
  Tensor y = leaf(1) * 2.0;
  CHECK_THROWS_WITH_AS(y.requires_grad_(),
                       "requires_grad_: float64[] is the result of mul, not a leaf; use detach() first",
                       Error);
  Tensor x = leaf(1);
  x.requires_grad_(false);
  CHECK_FALSE((x * 2.0).requires_grad());
}

TEST_CASE("backward of a vector needs its gradient, of the right shape") {
  const Tensor y = leaf(1, {3}) * 2.0;
  CHECK_THROWS_WITH_AS(
      y.backward(),
      "backward: float64[3] is not a scalar; reduce it (sum, mean) or pass the gradient of the output",
      Error);
  CHECK_THROWS_WITH_AS(backward(y, ones({2}, float64)),
                       "backward: the gradient is float64[2] but the output is float64[3]", Error);
  CHECK_THROWS_WITH_AS(leaf(1).set_grad(zeros({2}, float64)),
                       "set_grad: gradient float64[2] for a tensor float64[]", Error);
}

const OpInfo kFused("fused_square", true);

/// x², whose backward can't be differentiated again.
Tensor fused_square(const Tensor& x) {
  Op op(kFused, {x});
  const Tensor y = op.empty(x.shape());
  mul_fwd(op, x.view(), x.view(), y.view());
  return op.record(
      y, [x = op.save(x)](const Tensor& grad, const Needs&) { return Tensors{grad * x.get() * 2.0}; });
}

TEST_CASE("an op that is differentiable once refuses the second pass by name") {
  Tensor x = leaf(3);
  CHECK(grad(fused_square(x), {x})[0].item() == 6);
  CHECK_THROWS_WITH_AS(grad(fused_square(x), {x}, {}, {.create_graph = true}),
                       doctest::Contains("fused_square: is differentiable only once"), Error);
}

TEST_CASE("only needed gradients are computed") {
  Tensor x = leaf(2);
  const Tensor constant = scalar(5, float64);
  const Tensor y = x * constant;
  y.backward();
  CHECK_FALSE(constant.grad().defined());
  CHECK(x.grad().item() == 5);
}

TEST_CASE("gradcheck finds a wrong gradient and names the element") {
  const auto wrong = [](const Tensors& x) { return x[0] * x[0].detach(); };
  const std::string line = gradcheck(wrong, {full({2}, 3, float64)});
  CHECK(line.find("input 0 element 0: backward gives") != std::string::npos);
  CHECK(gradcheck([](const Tensors& x) { return x[0] * x[0]; }, {full({2}, 3, float64)}) == "");
  const auto wrong_again = [](const Tensors& x) { return x[0] * x[0] * x[0].detach(); };
  CHECK(gradcheck(wrong_again, {full({2}, 3, float64)}, {.second = true}) != "");
}

TEST_CASE("several threads record and walk tapes of their own") {
  std::vector<std::thread> threads;
  std::vector<double> slopes(4);
  for (std::size_t t = 0; t < slopes.size(); ++t)
    threads.emplace_back([&slopes, t] {
      for (int round = 0; round < 50; ++round) {
        Tensor x = leaf(static_cast<double>(t + 1), {64});
        sum(x * x * x).backward();
        slopes[t] = x.grad().data<double>()[63];
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(slopes == Numbers{3, 12, 27, 48});
}

}  // namespace
}  // namespace tsr
