#include "bench/cases.h"

#include <memory>
#include <set>
#include <vector>

#include "autograd/ops.h"
#include "bench/peak.h"
#include "nn/optim.h"
#include "nn/vit.h"
#include "ssl/encoders.h"
#include "ssl/method.h"
#include "tensor/kernels.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tests/ops/op_case.h"

namespace tsr::bench {
namespace {

using Body = std::function<void()>;

/// What the cases run on; all_cases says it.
Device place = Device::cpu;

Tensor draw(const Shape& shape, std::uint64_t seed, double deviation = 1) {
  Generator generator(seed);
  return normal(shape, generator, 0, deviation).to(place);
}

/// What all threads together can multiply and add, when nothing but registers is touched.
Case fma_peak() {
  constexpr std::int64_t kRounds = 1 << 20;
  return {.name = "fma_peak",
          .work = multiply_add(1) * kRounds * thread_count(),
          .unit = "flop",
          .prepare = []() -> Body {
            return [] {
              parallel_for(thread_count(), 1, [](std::int64_t begin, std::int64_t end) {
                for (std::int64_t i = begin; i < end; ++i) multiply_add(kRounds);
              });
            };
          }};
}

Case sgemm(std::int64_t n) {
  return {.name = text("sgemm_", n),
          .work = 2.0 * static_cast<double>(n * n * n),
          .unit = "flop",
          .prepare = [n]() -> Body {
            return [a = draw({n, n}, 1), b = draw({n, n}, 2), c = empty({n, n}, float32, place)] {
              Context context(a.device());
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

/// A convolution of `images` square images, padded to keep their size.
struct ConvCase {
  const char* name;
  std::int64_t images, channels, size, kernel, groups;
};

Case convolution(const ConvCase& c, bool backward) {
  const std::int64_t inner = c.channels / c.groups;
  const double forward_work =
      2.0 * static_cast<double>(c.images * c.size * c.size * c.channels * c.kernel * c.kernel * inner);
  const int pad = static_cast<int>(c.kernel / 2);
  const Conv2dParams params{.pad_h = pad, .pad_w = pad, .groups = static_cast<int>(c.groups)};
  return {.name = text(c.name, backward ? "_fwdbwd_" : "_fwd_", c.channels, "x", c.size),
          .work = backward ? 3 * forward_work : forward_work,
          .unit = "flop",
          .prepare = [=]() -> Body {
            Tensor x = draw({c.images, c.size, c.size, c.channels}, 1),
                   weight = draw({c.channels, c.kernel, c.kernel, inner}, 2, 0.05);
            x.requires_grad_(backward);
            weight.requires_grad_(backward);
            return [=, upstream = draw(x.shape(), 3)] {
              const Tensor y = conv2d(x, weight, {}, params);
              if (backward) grad(y, {x, weight}, upstream);
            };
          }};
}

/// A function of one batch of images, and its gradient.
Case of_images(const char* name, const Shape& shape, Tensor (*f)(const Tensor&), bool backward) {
  return {.name = text(name, backward ? "_fwdbwd" : "_fwd"), .work = 0, .unit = "", .prepare = [=]() -> Body {
            Tensor x = draw(shape, 1);
            x.requires_grad_(backward);
            const Tensor upstream = draw(f(x.detach()).shape(), 2);
            return [=] {
              const Tensor y = f(x);
              if (backward) grad(y, {x}, upstream);
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
            Tensor x = draw(shape, 1), weight = ones({64}).to(place), bias = zeros({64}).to(place);
            for (Tensor* leaf : {&x, &weight, &bias}) leaf->requires_grad_(backward);
            return [=, mean = zeros({64}).to(place), variance = ones({64}).to(place),
                    upstream = draw(shape, 2)] {
              const Tensor y = batch_norm(x, weight, bias, mean, variance, {.relu = true});
              if (backward) grad(y, {x, weight, bias}, upstream);
            };
          }};
}

/// Sums of a matrix along an axis.
Case sum_axis(std::int64_t axis) {
  constexpr std::int64_t kSize = 4096;
  return {.name = text("sum_axis_", axis),
          .work = static_cast<double>(kSize * kSize) * sizeof(float),
          .unit = "byte",
          .prepare = [=]() -> Body {
            return [=, x = draw({kSize, kSize}, 1)] {
              NoGrad guard;
              sum(x, {axis});
            };
          }};
}

/// An op's forward and backward, on leaves of these shapes that all want a gradient.
Case forward_backward(const std::string& name, const std::vector<Shape>& shapes,
                      const std::function<Tensor(const Tensors&)>& f) {
  return {.name = name, .work = 0, .unit = "", .prepare = [=]() -> Body {
            Tensors leaves;
            for (std::size_t i = 0; i < shapes.size(); ++i)
              leaves.push_back(draw(shapes[i], i + 1).requires_grad_());
            return [=, upstream = draw(f(leaves).shape(), 100)] { grad(f(leaves), leaves, upstream); };
          }};
}

Case layer_norm_case() {
  return forward_backward("layer_norm_fwdbwd", {{8192, 384}, {384}, {384}},
                          [](const Tensors& x) { return layer_norm(x[0], {384}, x[1], x[2]); });
}

Case group_norm_case() {
  return forward_backward("group_norm_fwdbwd", {{64, 32, 32, 64}, {64}, {64}},
                          [](const Tensors& x) { return group_norm(x[0], 8, x[1], x[2]); });
}

Tensor random_indices(const Shape& shape, std::int64_t count) {
  Generator generator(7);
  return cast(uniform(shape, generator) * static_cast<double>(count), int64).to(place);
}

Case cross_entropy_case() {
  return forward_backward(
      "cross_entropy_fwdbwd", {{4096, 1000}},
      [labels = random_indices({4096}, 1000)](const Tensors& x) { return cross_entropy(x[0], labels); });
}

Case embedding_case() {
  return forward_backward(
      "embedding_fwdbwd", {{32000, 384}},
      [indices = random_indices({64, 256}, 32000)](const Tensors& x) { return embedding(x[0], indices); });
}

Case dropout_case() {
  return forward_backward("dropout_fwdbwd", {{8192, 384}},
                          [generator = std::make_shared<Generator>(1)](const Tensors& x) {
                            return dropout(x[0], 0.1, *generator);
                          });
}

Case cdist_case() {
  return forward_backward("cdist_fwdbwd", {{1024, 128}, {1024, 128}},
                          [](const Tensors& x) { return cdist(x[0], x[1]); });
}

/// 24 heads of size 64 that attend to themselves. The work is the products': 2 forward, 5 backward.
Case attention_case(std::int64_t tokens, bool backward) {
  const Shape shape{8, 3, tokens, 64};
  return {.name = text("attention_", backward ? "fwdbwd_" : "fwd_", tokens),
          .work = (backward ? 7 : 2) * 2.0 * 24 * 64 * static_cast<double>(tokens * tokens),
          .unit = "flop",
          .prepare = [=]() -> Body {
            Tensors heads;
            for (const std::uint64_t seed : {1, 2, 3})
              heads.push_back(draw(shape, seed).requires_grad_(backward));
            return [=, upstream = draw(shape, 4)] {
              const Tensor y = attention(heads[0], heads[1], heads[2]);
              if (backward) grad(y, heads, upstream);
            };
          }};
}

/// A classifier's training step: ViT-Tiny/16 on 16 images of 224 x 224.
struct VitStep {
  ViT network{{.dim = 192, .heads = 3, .classes = 1000}};
  Sgd optimizer = Sgd({{.parameters = named_parameters(network), .weight_decay = 1e-4}});
  Tensor images = draw({16, 224, 224, 3}, 1), labels = random_indices({16}, 1000);

  VitStep() { network.to(place); }
  void run() {
    optimizer.zero_grad();
    const Tensor loss = cross_entropy(network(images), labels);
    loss.backward();
    optimizer.step(0.01);
    loss.item();
  }
};

Case vit_step() {
  return {.name = "vit_tiny_step", .work = 0, .unit = "", .prepare = []() -> Body {
            return [step = std::make_shared<VitStep>()] { step->run(); };
          }};
}

/// A SimCLR model with its optimiser, and one batch of two views.
struct SimClrStep {
  Settings settings;
  std::unique_ptr<Method> method;
  Sgd optimizer;
  Batch batch;

  SimClrStep()
      : method(make_method(find_method("simclr"), make_encoder("resnet18", 3, 32, settings), settings)),
        optimizer({{.parameters = named_parameters(*method), .weight_decay = 1e-4}}) {
    method->to(place);
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
            Tensor x = ones({4}).to(place), w = x.clone();
            x.requires_grad_();
            w.requires_grad_();
            return [=, upstream = ones({4}).to(place)] {
              Tensor y = x;
              for (int i = 0; i < 1000; ++i) y = y * w;
              grad(y, {x, w}, upstream);
            };
          }};
}

Case op(const test::OpCase& op_case) {
  return {.name = "op_" + op_case.name, .work = 0, .unit = "", .prepare = [&op_case]() -> Body {
            Tensors inputs;
            for (const Tensor& x : test::draw_inputs(op_case.benchmark, float32, 1))
              inputs.push_back(x.to(place));
            return [&op_case, inputs] {
              NoGrad guard;
              op_case.call(inputs);
            };
          }};
}

}  // namespace

std::vector<Case> all_cases(Device device) {
  place = device;
  std::vector<Case> cases;
  if (device == Device::cpu) cases.push_back(fma_peak());
  for (const std::int64_t n : {256, 512, 1024, 2048}) cases.push_back(sgemm(n));
  for (const bool backward : {false, true})
    for (const auto& [channels, size] : {std::pair{64, 32}, {128, 16}, {256, 8}, {512, 4}})
      cases.push_back(conv3x3(channels, size, backward));
  constexpr ConvCase kConvolutions[] = {{"conv1x1", 128, 256, 16, 1, 1},
                                        {"conv3x3_groups8", 32, 128, 28, 3, 8},
                                        {"depthwise3x3", 32, 128, 28, 3, 128}};
  for (const ConvCase& c : kConvolutions)
    for (const bool backward : {false, true}) cases.push_back(convolution(c, backward));
  const auto pool = [](const Tensor& x) {
    return max_pool2d(x, {.kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1});
  };
  const auto twice = [](const Tensor& x) { return resize(x, 2 * x.size(1), 2 * x.size(2)); };
  for (const bool backward : {false, true}) {
    cases.push_back(of_images("max_pool3x3s2_64x112", {32, 112, 112, 64}, pool, backward));
    cases.push_back(of_images("resize2x_64x56", {32, 56, 56, 64}, twice, backward));
  }
  for (const bool backward : {false, true}) cases.push_back(batch_norm_relu(backward));
  for (const std::int64_t axis : {0, 1}) cases.push_back(sum_axis(axis));
  for (const Case& each : {layer_norm_case(), group_norm_case(), cross_entropy_case(), embedding_case(),
                           dropout_case(), cdist_case()})
    cases.push_back(each);
  for (const bool backward : {false, true})
    for (const std::int64_t tokens : {197, 1024}) cases.push_back(attention_case(tokens, backward));
  cases.push_back(vit_step());
  cases.push_back(simclr_step());
  cases.push_back(tape());
  std::set<std::string> seen;
  for (const test::OpCase& op_case : test::all_cases())
    if (!op_case.benchmark.empty() && seen.insert(op_case.name).second) cases.push_back(op(op_case));
  return cases;
}

}  // namespace tsr::bench
