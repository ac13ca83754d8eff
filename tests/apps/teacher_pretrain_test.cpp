// Pre-training by DINO and MoCo v3 through the command: the same bytes whatever happens, meters, settings.
#include <cmath>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/augmentations.h"
#include "tensor/error.h"
#include "tensor/safetensors.h"
#include "tests/apps/tessera.h"

namespace tsr::test {
namespace {

/// A run of seconds; both methods have epochs of 2 steps here.
Words tiny_teacher_run(const std::string& method, const std::string& out, const Words& more = {}) {
  Words words{"pretrain",     method, "--arch",  "vit_mini", "--data", "folder:images",
              "--batch-size", "4",    "--steps", "24",       "--out",  out};
  for (const char* setting : {"image_size=16", "dim=16", "depth=2", "heads=2", "projector_hidden=16"})
    words.insert(words.end(), {"--set", setting});
  if (method == "dino")
    for (const char* setting :
         {"out_dim=32", "bottleneck=8", "local_crops=3", "local_size=8", "drop_path=0.3"})
      words.insert(words.end(), {"--set", setting});
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// Eight pictures of 20 × 20 pixels.
void write_images(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  for (int i = 0; i < 8; ++i) {
    std::string pixels = "P6\n20 20\n255\n";
    for (int p = 0; p < 20 * 20 * 3; ++p) pixels += static_cast<char>((p * (2 * i + 3) + p / 60 * i) % 251);
    write_text(folder / (std::to_string(i) + ".ppm"), pixels);
  }
}

std::vector<AugmentationPtr> augmentations(const std::string& name, const ViewPlan& plan, std::int64_t size,
                                           Settings settings = {}) {
  return make_augmentations(name, plan, size, {}, settings);
}

const AugmentationConfig& config_of(const AugmentationPtr& view) {
  return dynamic_cast<const RandomAugmentation&>(*view).config();
}

}  // namespace

TEST_CASE("runs with a teacher have the same bytes with any threads and workers, and after kills") {
  const ScratchFolder scratch;
  write_images(scratch.path() / "images");
  for (const std::string method : {"dino", "mocov3"}) {
    CAPTURE(method);
    const auto run = [&](const std::string& out, const Words& more) {
      return tessera(scratch.path(), tiny_teacher_run(method, method + out, more));
    };
    const auto first = run("a", {"--threads", "1", "--workers", "0"});
    INFO(first.err);
    REQUIRE(first.code == 0);
    REQUIRE(run("b", {"--threads", "2", "--workers", "3"}).code == 0);
    check_same_run(scratch, method + "a", method + "b");
    const Words again{"--threads", "2", "--checkpoint-every", "5", "--resume"};
    const auto checkpoint = scratch.path() / (method + "c") / "checkpoint.safetensors";
    for (int after = 20; !std::filesystem::exists(checkpoint); after += 20)
      tessera(scratch.path(), tiny_teacher_run(method, method + "c", again), after);
    REQUIRE(run("c", again).code == 0);
    check_same_run(scratch, method + "a", method + "c");
    REQUIRE(tessera(scratch.path(), {"pretrain", "--config", method + "a/config.json", "--out", method + "d"})
                .code == 0);
    check_same_run(scratch, method + "a", method + "d");
  }
}

TEST_CASE("DINO keeps the teacher, shows its meters and notes its defaults") {
  const ScratchFolder scratch;
  write_images(scratch.path() / "images");
  const auto result = tessera(scratch.path(), tiny_teacher_run("dino", "run"));
  REQUIRE(result.code == 0);
  CHECK(result.err.find("teacher entropy ") != std::string::npos);
  CHECK(result.err.find(" (one-hot 0, uniform 3.4657") != std::string::npos);

  const TensorMap model = read_safetensors(scratch.path() / "run/model.safetensors").tensors,
                  state = read_safetensors(scratch.path() / "run/checkpoint.safetensors").tensors;
  const Tensor kept = model.at("blocks.1.mlp.fc2.weight");
  const auto same = [&](const std::string& name) {
    const Tensor& other = state.at("trainer.method." + name + "blocks.1.mlp.fc2.weight");
    return std::equal(kept.data<float>(), kept.data<float>() + kept.numel(), other.data<float>());
  };
  CHECK(same("teacher.encoder."));
  CHECK_FALSE(same("encoder."));
  CHECK(state.at("trainer.method.center").shape() == Shape{1, 32});

  std::istringstream lines(read_text(scratch.path() / "run/metrics.jsonl"));
  int steps = 0;
  for (std::string text; std::getline(lines, text); ++steps) {
    const auto line = nlohmann::json::parse(text);
    CHECK(line["collapsed_loss"].get<double>() == doctest::Approx(std::log(32)));
    CHECK(line["teacher_entropy"].get<double>() + line["kl"].get<double>() ==
          doctest::Approx(line["loss"].get<double>()).epsilon(1e-5));
    CHECK(line["center_norm"].get<double>() >= 0);
  }
  CHECK(steps == 24);

  const auto settings = nlohmann::json::parse(read_text(scratch.path() / "run/config.json")).at("settings");
  CHECK(settings["optimizer"] == "adamw");
  CHECK(settings["weight_decay_end"] == 0.4);
  CHECK(settings["clip_each_norm"] == 3);
  CHECK(settings["teacher_temperature_epochs"] == 3);  // three tenths of 12 epochs
  CHECK(settings["local_crops"] == 3);
}

TEST_CASE("the views of DINO and MoCo v3 differ as their papers say") {
  const auto dino = augmentations("dino", {.global = 2, .local = 3}, 224);
  REQUIRE(dino.size() == 5);
  CHECK(config_of(dino[0]).min_area == doctest::Approx(0.4));
  CHECK(config_of(dino[0]).blur == 1);
  CHECK(config_of(dino[0]).solarize == 0);
  CHECK(config_of(dino[1]).blur == doctest::Approx(0.1));
  CHECK(config_of(dino[1]).solarize == doctest::Approx(0.2));
  for (std::size_t v = 2; v < 5; ++v) {
    CHECK(dino[v]->size() == 96);
    CHECK(config_of(dino[v]).min_area == doctest::Approx(0.05));
    CHECK(config_of(dino[v]).max_area == doctest::Approx(0.4));
    CHECK(config_of(dino[v]).blur == 0.5);
    CHECK(config_of(dino[v]).solarize == 0);
  }
  for (const AugmentationPtr& view : dino) {
    CHECK(config_of(view).brightness == doctest::Approx(0.4));
    CHECK(config_of(view).saturation == doctest::Approx(0.2));
    CHECK(config_of(view).hue == doctest::Approx(0.1));
  }
  const auto moco = augmentations("mocov3", {}, 224);
  REQUIRE(moco.size() == 2);
  CHECK(config_of(moco[0]).min_area == doctest::Approx(0.08));
  CHECK(config_of(moco[1]).solarize == doctest::Approx(0.2));
  // Small images aren't blurred; other augmentations can have local views too.
  CHECK(config_of(augmentations("dino", {.local = 1}, 28)[0]).blur == 0);
  const auto plain = augmentations("simclr", {.local = 1}, 28);
  REQUIRE(plain.size() == 3);
  CHECK(plain[2]->size() == 12);
  Settings settings;
  settings.assign("blur2=0.7");
  settings.assign("local_crop_max=0.3");
  const auto changed = augmentations("dino", {.local = 1}, 28, settings);
  CHECK(config_of(changed[1]).blur == doctest::Approx(0.7));
  CHECK(config_of(changed[2]).max_area == doctest::Approx(0.3));
}

}  // namespace tsr::test
