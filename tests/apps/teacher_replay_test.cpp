// Replays of the methods with a momentum encoder, DINO and MoCo v3, against independent PyTorch scripts
// (tests/golden/dino_replay.py, mocov3_replay.py), and what happens to them without each ingredient.
#include <algorithm>
#include <doctest/doctest.h>

#include "tensor/safetensors.h"
#include "tests/apps/golden_replay.h"

namespace tsr::test {
namespace {

struct Ablation {
  std::string what;
  std::vector<std::string> changes;
};

void check_replay(const std::string& name) {
  const ScratchFolder scratch;
  const auto golden = golden_folder(name);
  std::string printed;
  const auto found = replay_distances(golden, replay_golden(scratch, golden, {}, &printed));
  CHECK(found.size() == read_safetensors(golden / "moves.safetensors").tensors.size());
  for (const auto& entry : found) {
    INFO(entry.first);
    CHECK(entry.second <= kReplayTolerance);
  }
  check_steps(golden, printed);
}

/// How many of the tensors are off by more than a thousand times the bound.
std::size_t far_off(const std::map<std::string, double>& found) {
  return static_cast<std::size_t>(
      std::ranges::count_if(found, [](const auto& entry) { return entry.second > 1000 * kReplayTolerance; }));
}

/// Each change makes at least a third of the tensors differ by more than a thousand times the bound.
void check_ablations(const std::string& name, const std::vector<Ablation>& ablations) {
  const ScratchFolder scratch;
  const auto golden = golden_folder(name);
  for (const Ablation& ablation : ablations) {
    CAPTURE(ablation.what);
    const auto found = replay_distances(golden, replay_golden(scratch, golden, ablation.changes));
    CHECK(3 * far_off(found) > found.size());
  }
}

}  // namespace

TEST_CASE("DINO's replay moves every tensor as PyTorch does") { check_replay("dino"); }

TEST_CASE("DINO's replay differs without any one ingredient") {
  check_ablations("dino", {{"centring", {"center=false"}},
                           {"momentum of the centre", {"center_momentum=0.9"}},
                           {"sharpening", {"teacher_temperature=0.1", "teacher_temperature_start=0.1"}},
                           {"warm-up of the temperature", {"teacher_temperature_epochs=0"}},
                           {"moving average", {"ema_momentum=0", "ema_momentum_end=0"}},
                           {"schedule of its momentum", {"ema_momentum_end=0.7"}},
                           {"schedule of the decay", {"weight_decay_end=0.5"}},
                           {"decay of matrices alone", {"decay_exclude=false"}},
                           {"clipping", {"clip_each_norm=0"}},
                           {"clipping each parameter", {"clip_each_norm=0", "clip_norm=0.3"}},
                           {"rest of the last layer", {"freeze_last_layer=0"}},
                           {"weight norm of the last layer", {"weight_norm=false"}},
                           {"fixed length of its rows", {"norm_last_layer=false"}},
                           {"length 1 before it", {"bottleneck_norm=false"}},
                           {"pairs of different views alone", {"same_view=true"}},
                           {"end of the learning rate", {"learning_rate_end=0"}}});
}

TEST_CASE("MoCo v3's replay moves every tensor as PyTorch does, on a ViT and on a ResNet") {
  for (const char* name : {"mocov3_vit", "mocov3_resnet"}) {
    CAPTURE(name);
    check_replay(name);
  }
}

TEST_CASE("MoCo v3's replay differs without any one ingredient") {
  const std::vector<Ablation> both{{"predictor", {"predictor=false"}},
                                   {"symmetric loss", {"symmetric=false"}},
                                   {"factor of twice the temperature", {"scale_loss=false"}},
                                   {"temperature", {"temperature=1"}},
                                   {"moving average", {"ema_momentum=1"}},
                                   {"schedule of its momentum", {"ema_momentum_end=0.7"}},
                                   {"average before the keys", {"ema_first=false"}}};
  SUBCASE("on a ViT") {
    check_ablations("mocov3_vit", both);
    check_ablations("mocov3_vit", {{"decay of every parameter", {"decay_exclude=true"}}});
  }
  SUBCASE("on a ResNet") {
    check_ablations("mocov3_resnet", both);
    check_ablations("mocov3_resnet", {{"LARS's exclusion of norms", {"lars_exclude=false"}}});
  }
}

TEST_CASE("MoCo v3's replay differs where what should be frozen is trained") {
  const ScratchFolder scratch;
  const auto golden = golden_folder("mocov3_vit");
  const auto patches = replay_distances(golden, replay_golden(scratch, golden, {"stem=patch"}));
  CHECK(patches.at("encoder.patch_embed.proj.weight") > 1);
  CHECK(patches.at("encoder.pos_embed") == 0);
  const auto positions = replay_distances(golden, replay_golden(scratch, golden, {"positions=learned"}));
  CHECK(positions.at("encoder.pos_embed") > 1);
  CHECK(positions.at("encoder.patch_embed.proj.weight") == 0);
}

TEST_CASE("MoCo v3's replay differs with the other encoder's predictor") {
  const ScratchFolder scratch;
  // On a ViT the predictor ends with a norm, on a ResNet it doesn't; the norm brings running statistics.
  const auto replay = [&](const std::string& name, const std::string& change) {
    TensorMap init = read_safetensors(golden_folder(name) / "init.safetensors").tensors;
    if (init.contains("predictor.4.running_mean")) {
      init.erase("predictor.4.running_mean");
      init.erase("predictor.4.running_var");
    } else {
      init["predictor.4.running_mean"] = zeros({16});
      init["predictor.4.running_var"] = ones({16});
    }
    const auto file = scratch.path() / "init.safetensors";
    write_safetensors(file, init);
    return replay_distances(golden_folder(name),
                            replay_golden(scratch, golden_folder(name), {change}, nullptr, file));
  };
  for (const auto& found :
       {replay("mocov3_vit", "predictor_bn=false"), replay("mocov3_resnet", "predictor_bn=true")})
    CHECK(3 * far_off(found) > found.size());
}

TEST_CASE("DINO's replay drops the paths that the file says") {
  const ScratchFolder scratch;
  const auto golden = golden_folder("dino");
  const TensorMap given = read_safetensors(golden / "views.safetensors").tensors;
  const auto file = scratch.path() / "views.safetensors";
  const std::string path = "rand.encoder.blocks.1.drop_path.";
  TensorMap views = given;
  SUBCASE("without any it differs") {
    std::erase_if(views, [](const auto& entry) { return entry.first.starts_with("rand."); });
    write_safetensors(file, views);
    const auto found =
        replay_distances(golden, replay_golden(scratch, golden, {"drop_path=0"}, nullptr, {}, file));
    CHECK(3 * far_off(found) > found.size());
  }
  SUBCASE("with those of another branch it differs") {
    std::swap(views.at(path + "0"), views.at(path + "1"));
    write_safetensors(file, views);
    const auto found = replay_distances(golden, replay_golden(scratch, golden, {}, nullptr, {}, file));
    CHECK(3 * far_off(found) > found.size());
  }
}

TEST_CASE("replay wants as many draws of dropped paths as a step makes") {
  const ScratchFolder scratch;
  const auto golden = golden_folder("dino");
  const auto file = scratch.path() / "views.safetensors";
  const auto run = [&](const TensorMap& views, const std::vector<std::string>& changes) {
    write_safetensors(file, views);
    const auto result = tessera(scratch.path(), replay_command(golden, changes, {}, file));
    CHECK(result.code == 2);
    return result.err;
  };
  const TensorMap given = read_safetensors(golden / "views.safetensors").tensors;
  const std::string error = "tessera: error: ", path = "rand.encoder.blocks.1.drop_path.";
  TensorMap views = given;
  views.erase(path + "3");
  CHECK(run(views, {}) == error + "tensor '" + path + "3' is missing: the method draws it\n");
  views.erase(path + "0");
  CHECK(run(views, {}).starts_with(error + file.string() + ": tensor '" + path + "1' is unknown to dino"));
  views = given;
  views[path + "4"] = views.at(path + "3");
  CHECK(run(views, {}) == error + "tensor '" + path + "4' is not drawn: a step makes 4 draws of this name\n");
  CHECK(run(given, {"drop_path=0"})
            .starts_with(error + file.string() + ": tensor '" + path + "0' is unknown to dino"));
  CHECK(run(given, {"grad_checkpointing=true"}) ==
        error +
            "replay: encoder.blocks.1.drop_path would draw for a second time; add --set "
            "grad_checkpointing=false\n");
}

TEST_CASE("replay wants as many views as the settings say") {
  const ScratchFolder scratch;
  const auto golden = golden_folder("dino");
  const auto run = [&](const std::string& crops) {
    return tessera(scratch.path(),
                   {"replay", "dino", "--arch", "vit_mini", "--init", (golden / "init.safetensors").string(),
                    "--views", (golden / "views.safetensors").string(), "--set", "local_crops=" + crops});
  };
  const std::string file = (golden / "views.safetensors").string();
  CHECK(run("3").err == "tessera: error: " + file + ": tensor 'view4' is missing\n");
  CHECK(run("1").err ==
        "tessera: error: " + file + ": tensor 'view3' is unknown to dino; did you mean 'view0'?\n");
  const auto listed = tessera(scratch.path(), {"replay", "dino", "--arch", "vit_mini", "--list-state",
                                               "--set", "out_dim=50", "--set", "local_crops=1"});
  CHECK(listed.code == 0);
  CHECK(listed.out.find("--init   teacher.projector.last_layer.weight_v  float32[50, 256]\n") !=
        std::string::npos);
  CHECK(listed.out.find("--views  view2  float32[steps, N, C, H, W]\n") != std::string::npos);
  CHECK(listed.out.find("view3") == std::string::npos);
  CHECK(listed.out.find("--views  rand.encoder.blocks.1.drop_path.0, 1, …  float32[steps, samples]\n") !=
        std::string::npos);
}

}  // namespace tsr::test
