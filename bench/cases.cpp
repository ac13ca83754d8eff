#include "bench/cases.h"

#include <memory>
#include <set>

#include "autograd/ops.h"
#include "nn/optim.h"
#include "ssl/method.h"
#include "tensor/kernels.h"
#include "tensor/random.h"
#include "tests/ops/op_case.h"

namespace tsr::bench {
namespace {

using Body = std::function<void()>;

Tensor draw(const Shape& shape, std::uint64_t seed, double deviation = 1) {
  Generator generator(seed);
  return normal(shape, generator, 0, deviation);
}

Case sgemm(std::int64_t n) {
  return {.name = text("sgemm_", n),
          .work = 2.0 * static_cast<double>(n * n * n),
          .unit = "flop",
          .prepare = [n]() -> Body {
            return [a = draw({n, n}, 1), b = draw({n, n}, 2), c = empty({n, n})] {
              Context context(Device::cpu);
              matmul_fwd(context, a.view(), b.view(), c.view());
            };
          }};
}

constexpr std::int64_t kImages = 128;

Case conv3x3(std::int64_t channels, std::int64_t size, bool backward) {
  const double forward_work = 2.0 * 9 * static_cast<double>(kImages * size * size * channels * channels);
  const Conv2dParams params{.pad_h = 1, .pad_w = 1};
  return {.name = text("conv3x3_", backward ? "fwdbwd_" : "fwd_", channels, "x", size),
          .work = backward ? 3 * forward_work : forward_work,
          .unit = "flop",
          .prepare = [=]() -> Body {
            Tensor x = draw({kImages, size, size, channels}, 1),
                   weight = draw({channels, 3, 3, channels}, 2, 0.05);
            x.requires_grad_(backward);
            weight.requires_grad_(backward);
            return [=, upstream = draw(x.shape(), 3)] {
              const Tensor y = conv2d(x, weight, {}, params);
              if (backward) grad(y, {x, weight}, upstream);
            };
          }};
}

/// Batch norm and relu in training. The work is what must pass between memory and cores: forward reads x
/// twice and writes y; backward reads grad, x and y twice and writes grad_x.
Case batch_norm_relu(bool backward) {
  const Shape shape{256, 32, 32, 64};
  const double pass = static_cast<double>(shape.numel()) * sizeof(float);
  return {.name = text("batch_norm_relu_", backward ? "fwdbwd" : "fwd", "_64x32"),
          .work = (backward ? 10 : 3) * pass,
          .unit = "byte",
          .prepare = [=]() -> Body {
            Tensor x = draw(shape, 1), weight = ones({64}), bias = zeros({64});
            for (Tensor* leaf : {&x, &weight, &bias}) leaf->requires_grad_(backward);
            return [=, mean = zeros({64}), variance = ones({64}), upstream = draw(shape, 2)] {
              const Tensor y = batch_norm(x, weight, bias, mean, variance, {.relu = true});
              if (backward) grad(y, {x, weight, bias}, upstream);
            };
          }};
}

/// A SimCLR model with its optimiser, and one batch of two views.
struct SimClrStep {
  Settings settings;
  std::unique_ptr<Method> method;
  Sgd optimizer;
  Batch batch;

  SimClrStep()
      : method(find_method("simclr").make(make_encoder("resnet18", 3, 32, settings), settings)),
        optimizer({{.parameters = named_parameters(*method), .weight_decay = 1e-4}}) {
    for (const std::uint64_t view : {1, 2}) batch.views.push_back(draw({kImages, 32, 32, 3}, view));
  }

  void run() {
    optimizer.zero_grad();
    const Tensor loss = method->loss(batch);
    loss.backward();
    optimizer.step(0.01);
    loss.item();
  }
};

Case simclr_step() {
  return {.name = "simclr_resnet18_step", .work = 0, .unit = "", .prepare = []() -> Body {
            return [step = std::make_shared<SimClrStep>()] { step->run(); };
          }};
}

/// A thousand products of four elements, forward and backward: what the tape itself costs.
Case tape() {
  return {.name = "tape_1000_muls", .work = 0, .unit = "", .prepare = []() -> Body {
            Tensor x = ones({4}), w = ones({4});
            x.requires_grad_();
            w.requires_grad_();
            return [=, upstream = ones({4})] {
              Tensor y = x;
              for (int i = 0; i < 1000; ++i) y = y * w;
              grad(y, {x, w}, upstream);
            };
          }};
}

Case op(const test::OpCase& op_case) {
  return {.name = "op_" + op_case.name, .work = 0, .unit = "", .prepare = [&op_case]() -> Body {
            return [&op_case, inputs = test::draw_inputs(op_case.benchmark, float32, 1)] {
              NoGrad guard;
              op_case.call(inputs);
            };
          }};
}

}  // namespace

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const std::int64_t n : {256, 512, 1024, 2048}) cases.push_back(sgemm(n));
  for (const bool backward : {false, true})
    for (const auto& [channels, size] : {std::pair{64, 32}, {128, 16}, {256, 8}, {512, 4}})
      cases.push_back(conv3x3(channels, size, backward));
  for (const bool backward : {false, true}) cases.push_back(batch_norm_relu(backward));
  cases.push_back(simclr_step());
  cases.push_back(tape());
  std::set<std::string> seen;
  for (const test::OpCase& op_case : test::all_cases())
    if (!op_case.benchmark.empty() && seen.insert(op_case.name).second) cases.push_back(op(op_case));
  return cases;
}

}  // namespace tsr::bench
