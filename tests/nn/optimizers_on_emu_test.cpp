// Optimisers on emu: many tensors of odd sizes in few launches, with the CPU's values and the same bits
// twice.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <functional>
#include <memory>

#include "autograd/ops.h"
#include "cuda/emulator/grid.h"
#include "nn/optim.h"
#include "tensor/kernels.h"
#include "tensor/random.h"

namespace tsr::test {
namespace {

using MakeOptimizer = std::function<std::unique_ptr<Optimizer>(std::vector<ParamGroup>)>;

struct Trained {
  std::vector<Tensor> parameters;  ///< on the CPU
  std::size_t launches = 0;        ///< of the last step
};

constexpr std::int64_t kTensors = 70;

std::vector<Tensor> draw(Generator& generator, Device device) {
  std::vector<Tensor> tensors;
  for (std::int64_t i = 0; i < kTensors; ++i)
    tensors.push_back(normal({i == 5 ? 0 : i == 7 ? 40'001 : 1 + 37 * i}, generator).to(device));
  return tensors;
}

/// Three steps under made-up gradients; the second half of the parameters neither decays nor adapts.
Trained train(const MakeOptimizer& make, Device device) {
  Generator generator(4);
  Trained result;
  const std::vector<Tensor> parameters = draw(generator, device);
  std::vector<ParamGroup> groups(2);
  groups[0].weight_decay = 0.1;
  groups[1].adapt = false;
  for (std::size_t i = 0; i < parameters.size(); ++i)
    groups[i % 2].parameters.push_back({.name = text("p", i), .tensor = parameters[i]});
  const auto optimizer = make(groups);
  for (int step = 0; step < 3; ++step) {
    const std::vector<Tensor> grads = draw(generator, device);
    for (std::size_t i = 0; i < grads.size(); ++i)
      parameters[i].set_grad(i == 9 ? zeros(grads[i].shape(), float32, device) : grads[i]);
    const std::size_t before = emu::launch_count();
    optimizer->step(0.05);
    result.launches = emu::launch_count() - before;
  }
  for (const Tensor& parameter : parameters) result.parameters.push_back(parameter.to(Device::cpu));
  return result;
}

void check(const MakeOptimizer& make, std::size_t launches) {
  const Trained cpu = train(make, Device::cpu), first = train(make, Device::emu);
  emu::set_schedule_seed(3);
  const Trained second = train(make, Device::emu);
  emu::set_schedule_seed(0);
  CHECK(first.launches == launches);
  for (std::size_t t = 0; t < cpu.parameters.size(); ++t)
    for (std::int64_t i = 0; i < cpu.parameters[t].numel(); ++i) {
      const float here = cpu.parameters[t].data<float>()[i], there = first.parameters[t].data<float>()[i];
      REQUIRE(std::abs(here - there) <= 2e-6f * std::max(1.f, std::abs(here)));
      REQUIRE(there == second.parameters[t].data<float>()[i]);
    }
}

TEST_CASE("an optimiser's step on emu is a few launches, with the CPU's values") {
  // 69 tensors have elements; tables hold 57 of SGD's and LARS's (two launches a table), 51 of Adam's.
  check([](auto groups) { return std::make_unique<Sgd>(groups, SgdOptions{.nesterov = true}); }, 2);
  check([](auto groups) { return std::make_unique<Lars>(groups, LarsOptions{.trust = 0.02}); }, 4);
  check([](auto groups) { return std::make_unique<Adam>(groups); }, 2);
  check([](auto groups) { return std::make_unique<AdamW>(groups); }, 2);
}

TEST_CASE("an average of many tensors on emu is one launch, with the CPU's values") {
  Generator generator(5);
  const std::vector<Tensor> targets = draw(generator, Device::cpu), sources = draw(generator, Device::cpu);
  const auto average = [&](Device device) {
    std::vector<Tensor> to, from;
    std::vector<EmaItem> items;
    for (std::size_t i = 0; i < targets.size(); ++i) {
      to.push_back(targets[i].to(device).clone());
      from.push_back(sources[i].to(device));
      items.push_back({to[i].view(), from[i].view(), 0.9});
    }
    const std::size_t before = emu::launch_count();
    Context context(device);
    ema_step(context, items[0].target, items);
    CHECK(emu::launch_count() - before == (device == Device::emu ? 1 : 0));
    return to;
  };
  const std::vector<Tensor> cpu = average(Device::cpu), there = average(Device::emu);
  for (std::size_t t = 0; t < cpu.size(); ++t) {
    const Tensor back = there[t].to(Device::cpu);
    for (std::int64_t i = 0; i < back.numel(); ++i)
      REQUIRE(std::abs(cpu[t].data<float>()[i] - back.data<float>()[i]) <= 1e-6f);
  }
}

}  // namespace
}  // namespace tsr::test
