// Pre-training on the emulated device: SimCLR's whole step by handwritten kernels.
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/pretrain.h"
#include "cuda/emulator/grid.h"
#include "tests/support/program.h"

namespace tsr::test {
namespace {

/// Ten steps of a network of 4 channels. The seed is one whose run has no activation so near 0 that float32's
/// rounding decides on its side: those runs drift apart on any two devices.
RunConfig tiny_run(const std::string& device) {
  RunConfig config;
  config.method = "simclr";
  config.data = "shapes";
  config.steps = 10;
  config.batch_size = 8;
  config.seed = 2;
  config.device = device;
  config.settings.set("width", "4");
  config.settings.set("image_size", "16");
  config.settings.set("learning_rate", "0.01");
  return config;
}

std::vector<double> losses(const std::filesystem::path& run) {
  std::vector<double> result;
  std::istringstream in(read_text(run / "metrics.jsonl"));
  for (std::string line; std::getline(in, line);) result.push_back(nlohmann::json::parse(line).at("loss"));
  return result;
}

}  // namespace

TEST_CASE("pre-training on emu has the host's losses, its own kernels, and the same bytes twice") {
  const ScratchFolder scratch;
  const auto run = [&](const std::string& name, const std::string& device) {
    PretrainOptions options;
    options.config = tiny_run(device);
    options.out = scratch.path() / name;
    options.quiet = true;
    pretrain(std::move(options));
    return losses(scratch.path() / name);
  };
  const std::vector<double> host = run("host", "cpu");
  REQUIRE(host.size() == 10);

  const std::vector<std::string> kernels{"ForwardPatches",
                                         "Readers",
                                         "WeightPatches",
                                         "add_portions_kernel",  // convolution
                                         "batch_norm_",
                                         "Left<float>",
                                         "l2_normalize_kernel",
                                         "cross_entropy_kernel",
                                         "cross_entropy_bwd_kernel",
                                         "pointwise_kernel",
                                         "column_portions_kernel",
                                         "lars_squares_kernel",
                                         "lars_step_kernel"};
  std::vector<std::size_t> before;
  before.reserve(kernels.size());
  for (const std::string& kernel : kernels) before.push_back(emu::launch_count(kernel));
  const std::vector<double> device = run("device", "emu");
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    INFO(kernels[i]);
    CHECK(emu::launch_count(kernels[i]) - before[i] >= 10);
  }
  REQUIRE(device.size() == 10);
  for (std::size_t step = 0; step < 10; ++step) {
    INFO("step ", step);
    CHECK(std::abs(device[step] - host[step]) < 1e-4);
  }

  run("again", "emu");
  for (const char* file : {"model.safetensors", "checkpoint.safetensors", "metrics.jsonl"})
    CHECK((read_text(scratch.path() / "device" / file) == read_text(scratch.path() / "again" / file)));
}

}  // namespace tsr::test
