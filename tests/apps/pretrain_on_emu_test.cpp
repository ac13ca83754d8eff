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
RunConfig tiny_config(const std::string& device) {
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

/// Launches so far of the kernels whose names contain these words.
std::vector<std::size_t> launches(const std::vector<std::string>& kernels) {
  std::vector<std::size_t> counts;
  counts.reserve(kernels.size());
  for (const std::string& kernel : kernels) counts.push_back(emu::launch_count(kernel));
  return counts;
}

class Runs {
 public:
  std::vector<double> losses_of(const std::string& name, const std::string& device,
                                const char* doors = nullptr, const char* views_on = nullptr) {
    PretrainOptions options;
    options.config = tiny_config(device);
    if (doors != nullptr) options.config.settings.set("doors", doors);
    if (views_on != nullptr) options.config.settings.set("views_on", views_on);
    options.out = scratch_.path() / name;
    options.quiet = true;
    pretrain(std::move(options));
    return losses(scratch_.path() / name);
  }
  /// The losses are the CPU's; each of `kernels` ran in every step, none of `others` at all.
  void check_on_emu(const std::string& name, const char* doors, const std::vector<std::string>& kernels,
                    const std::vector<std::string>& others) {
    const std::vector<double> host = losses_of(name + " host", "cpu");
    const auto before = launches(kernels), before_others = launches(others);
    const std::vector<double> device = losses_of(name, "emu", doors);
    const auto after = launches(kernels), after_others = launches(others);
    for (std::size_t i = 0; i < kernels.size(); ++i) {
      INFO(kernels[i]);
      CHECK(after[i] - before[i] >= 10);
    }
    CHECK(after_others == before_others);
    REQUIRE(host.size() == 10);
    REQUIRE(device.size() == 10);
    for (std::size_t step = 0; step < 10; ++step) {
      INFO("step ", step);
      CHECK(std::abs(device[step] - host[step]) < 1e-4);
    }
  }
  /// Whether two runs left the same.
  void check_same(const std::string& a, const std::string& b) const {
    for (const char* file : {"model.safetensors", "checkpoint.safetensors", "metrics.jsonl"})
      CHECK((read_text(scratch_.path() / a / file) == read_text(scratch_.path() / b / file)));
  }
  nlohmann::json config(const std::string& name) const {
    return nlohmann::json::parse(read_text(scratch_.path() / name / "config.json"));
  }

 private:
  ScratchFolder scratch_;
};

const std::vector<std::string> kProducts{"ForwardWeight", "Readers", "WeightGrad", "add_portions_kernel",
                                         "Operand<float>"},
    kStandIns{"gemm_stand_in_kernel<float>", "convolution_forward_stand_in_kernel<float>",
              "convolution_backward_data_stand_in_kernel<float>",
              "convolution_backward_filter_stand_in_kernel<float>"},
    kRest{"batch_norm_",      "l2_normalize_kernel",    "cross_entropy_kernel", "cross_entropy_bwd_kernel",
          "pointwise_kernel", "column_portions_kernel", "lars_squares_kernel",  "lars_step_kernel"};

std::vector<std::string> with_the_rest(std::vector<std::string> kernels) {
  kernels.insert(kernels.end(), kRest.begin(), kRest.end());
  return kernels;
}

}  // namespace

TEST_CASE("pre-training on emu has the host's losses, its own kernels, and the same bytes twice") {
  Runs runs;
  runs.check_on_emu("handwritten", nullptr, with_the_rest(kProducts), kStandIns);
  runs.losses_of("again", "emu", "handwritten");
  runs.check_same("handwritten", "again");
  CHECK(runs.config("handwritten").at("settings").at("doors") == "handwritten");
}

TEST_CASE("pre-training on emu through the doors of cuBLAS and cuDNN has the host's losses") {
  Runs runs;
  runs.check_on_emu("library", "library", with_the_rest(kStandIns), kProducts);
  CHECK(runs.config("library").at("settings").at("doors") == "library");
  CHECK(!runs.config("library host").at("settings").contains("doors"));
}

TEST_CASE("the device makes its views itself: on the CPU the same bytes, on emu the same losses") {
  Runs runs;
  const std::vector<double> host = runs.losses_of("host", "cpu");
  runs.losses_of("views on the CPU", "cpu", nullptr, "device");
  runs.check_same("host", "views on the CPU");
  const auto kernels = {"crop_resize_kernel", "color_kernel", "blur_rows_kernel", "finish_views_kernel"};
  const auto before = launches({kernels.begin(), kernels.end()});
  const std::vector<double> device = runs.losses_of("views on emu", "emu", nullptr, "device");
  const auto after = launches({kernels.begin(), kernels.end()});
  for (std::size_t i = 0; i < kernels.size(); ++i)
    CHECK(after[i] - before[i] == 20);  // two views in ten steps
  REQUIRE(device.size() == 10);
  for (std::size_t step = 0; step < 10; ++step) CHECK(std::abs(device[step] - host[step]) < 1e-3);
}

}  // namespace tsr::test
