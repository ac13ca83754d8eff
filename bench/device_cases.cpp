#include <memory>

#include "autograd/autocast.h"
#include "autograd/ops.h"
#include "bench/cases.h"
#include "nn/optim.h"
#include "ssl/encoders.h"
#include "ssl/method.h"
#include "tensor/kernels.h"
#include "tensor/random.h"

namespace tsr::bench {
namespace {

using Body = std::function<void()>;

Tensor draw(const Shape& shape, std::uint64_t seed, DType dtype, Device device) {
  Generator generator(seed);
  return normal(shape, generator).to(dtype).to(device);
}

Body by_variant(Device device, const char* variant, const Body& once) {
  return [=] {
    choose_variant(device, variant);
    once();
  };
}

/// Our own kernels beside the library's, on the same tensors.
Case against_library(Device device, const char* library, std::string name, double work,
                     const std::function<Body()>& prepare) {
  return {.name = std::move(name),
          .work = work,
          .unit = "flop",
          .prepare = [=] { return by_variant(device, "handwritten", prepare()); },
          .rival = device == Device::cuda ? library : text(library, "'s stand-in"),
          .prepare_rival = [=] { return by_variant(device, "library", prepare()); }};
}

Case gemm(Device device, DType dtype, std::int64_t n) {
  return against_library(device, "cuBLAS", text("gemm_", dtype, '_', n), 2.0 * static_cast<double>(n * n * n),
                         [=]() -> Body {
                           return [=, a = draw({n, n}, 1, dtype, device), b = draw({n, n}, 2, dtype, device),
                                   c = empty({n, n}, dtype, device)] {
                             Context context(device);
                             matmul_fwd(context, a.view(), b.view(), c.view());
                           };
                         });
}

/// A 3x3 convolution's three passes.
Case convolution(Device device, DType dtype, std::int64_t images, std::int64_t channels, std::int64_t size) {
  const double forward = 2.0 * 9 * static_cast<double>(images * size * size * channels * channels);
  return against_library(
      device, "cuDNN", text("conv3x3_fwdbwd_", dtype, '_', channels, 'x', size), 3 * forward, [=]() -> Body {
        const Tensor x = draw({images, size, size, channels}, 1, dtype, device),
                     weight = draw({channels, 3, 3, channels}, 2, dtype, device),
                     grad = draw(x.shape(), 3, dtype, device), y = empty(x.shape(), dtype, device),
                     grad_x = empty(x.shape(), dtype, device),
                     grad_weight = empty(weight.shape(), dtype, device);
        return [=] {
          const Conv2dParams params{.pad_h = 1, .pad_w = 1};
          Context context(device);
          conv2d_fwd(context, x.view(), weight.view(), y.view(), params, {});
          conv2d_bwd_input(context, grad.view(), weight.view(), grad_x.view(), params);
          conv2d_bwd_weight(context, grad.view(), x.view(), grad_weight.view(), params);
        };
      });
}

/// Attention of 24 heads of size 64 in bfloat16, on tensor cores.
Case attention_case(Device device, std::int64_t tokens, bool backward) {
  const Shape shape{8, 3, tokens, 64};
  return {.name = text("attention_", backward ? "fwdbwd_" : "fwd_", bfloat16, '_', tokens),
          .work = (backward ? 7 : 2) * 2.0 * 24 * 64 * static_cast<double>(tokens * tokens),
          .unit = "flop",
          .prepare = [=]() -> Body {
            Tensors heads;
            for (const std::uint64_t seed : {1, 2, 3})
              heads.push_back(draw(shape, seed, bfloat16, device).requires_grad_(backward));
            return [=, upstream = draw(shape, 4, bfloat16, device)] {
              const Tensor y = attention(heads[0], heads[1], heads[2]);
              if (backward) grad(y, heads, upstream);
            };
          }};
}

/// A SimCLR step in mixed precision: ResNet-18 of a width on two views of images of 32 x 32.
struct MixedSimClrStep {
  Settings settings;
  std::unique_ptr<Method> method;
  std::unique_ptr<Sgd> optimizer;
  Batch batch;

  MixedSimClrStep(Device device, std::int64_t images, const char* width) {
    settings.set("width", width);
    method = make_method(find_method("simclr"), make_encoder("resnet18", 3, 32, settings), settings);
    method->to(device);
    optimizer = std::make_unique<Sgd>(
        std::vector<ParamGroup>{{.parameters = named_parameters(*method), .weight_decay = 1e-4}});
    for (const std::uint64_t view : {1, 2})
      batch.views.push_back(draw({images, 32, 32, 3}, view, float32, device));
  }

  void run(const char* variant) {
    choose_variant(batch.views[0].device(), variant);
    optimizer->zero_grad();
    Tensor loss;
    {
      const Autocast autocast(bfloat16);
      loss = method->loss(batch);
    }
    loss.backward();
    optimizer->step(0.01);
    loss.item();
  }
};

Case simclr_step(Device device, const char* variant) {
  const bool small = device == Device::emu;
  return {.name = text("simclr_resnet18_step_bfloat16_", variant),
          .work = 0,
          .unit = "",
          .prepare = [=]() -> Body {
            return [=, step = std::make_shared<MixedSimClrStep>(device, small ? 4 : 512,
                                                                small ? "4" : "64")] { step->run(variant); };
          }};
}

}  // namespace

std::vector<Case> device_cases(Device device) {
  std::vector<Case> cases;
  const bool small = device == Device::emu;
  for (const DType dtype : {float32, bfloat16, float16}) {
    for (const std::int64_t n : {1024, 4096}) cases.push_back(gemm(device, dtype, small ? n / 64 : n));
    for (const auto& [channels, size] : {std::pair{64, 32}, {256, 8}})
      cases.push_back(small ? convolution(device, dtype, 2, channels / 16, size / 4)
                            : convolution(device, dtype, 512, channels, size));
  }
  for (const bool backward : {false, true})
    for (const std::int64_t tokens :
         small ? std::vector<std::int64_t>{65} : std::vector<std::int64_t>{197, 1024, 4096})
      cases.push_back(attention_case(device, tokens, backward));
  for (const char* variant : {"library", "handwritten"}) cases.push_back(simclr_step(device, variant));
  return cases;
}

}  // namespace tsr::bench
