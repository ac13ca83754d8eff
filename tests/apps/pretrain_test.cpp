// Pre-training through the command: the same bytes whatever happens.
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>

#include "data/image_io.h"
#include "tensor/safetensors.h"
#include "tests/apps/tessera.h"

namespace tsr::test {
namespace {

/// A run of seconds on a network of 4 channels.
Words tiny_run(const std::string& out, const Words& more = {}) {
  Words words{"pretrain", "simclr",          "--data",  "shapes", "--steps",    "30",    "--batch-size",
              "8",        "--set",           "width=4", "--set",  "stem=small", "--set", "image_size=16",
              "--set",    "projector_out=8", "--out",   out};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

bool same_values(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.raw(), b.raw(), static_cast<std::size_t>(a.numel() * size_of(a.dtype()))) == 0;
}

std::vector<nlohmann::json> metrics_of(const ScratchFolder& scratch, const std::string& run) {
  std::vector<nlohmann::json> lines;
  std::istringstream in(read_text(scratch.path() / run / "metrics.jsonl"));
  for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

}  // namespace

TEST_CASE("a run's bytes don't depend on threads or workers") {
  const ScratchFolder scratch;
  for (const Words& how : std::vector<Words>{{"a", "--threads", "1", "--workers", "0"},
                                             {"b", "--threads", "1", "--workers", "0"},
                                             {"c", "--threads", "2", "--workers", "0"},
                                             {"d", "--threads", "2", "--workers", "3"}}) {
    const auto result = tessera(scratch.path(), tiny_run(how[0], Words(how.begin() + 1, how.end())));
    INFO(result.err);
    REQUIRE(result.code == 0);
  }
  for (const char* run : {"b", "c", "d"}) check_same_run(scratch, "a", run);

  REQUIRE(tessera(scratch.path(), tiny_run("seed", {"--seed", "1"})).code == 0);
  CHECK((read_text(scratch.path() / "a/model.safetensors") !=
         read_text(scratch.path() / "seed/model.safetensors")));

  const auto repeated = tessera(scratch.path(), {"pretrain", "--config", "a/config.json", "--out", "e"});
  INFO(repeated.err);
  REQUIRE(repeated.code == 0);
  check_same_run(scratch, "a", "e");

  const auto lines = metrics_of(scratch, "a");
  REQUIRE(lines.size() == 30);
  for (std::size_t step = 0; step < lines.size(); ++step) CHECK(lines[step]["step"] == step);
  CHECK(lines[0]["collapsed_loss"].get<double>() == doctest::Approx(std::log(15.0)));
  CHECK(lines[0].contains("effective_rank"));
}

TEST_CASE("a ViT trains with dropped paths, resumes, and is read back with all its settings") {
  const ScratchFolder scratch;
  const auto run = [](const std::string& out, const Words& more = {}) {
    Words words{"pretrain", "simclr", "--arch", "vit_mini", "--data",       "shapes",
                "--steps",  "20",     "--out",  out,        "--batch-size", "8"};
    for (const char* setting :
         {"image_size=16", "dim=32", "depth=2", "heads=2", "registers=1", "layer_scale=0.1", "drop_path=0.3",
          "pool=avg", "stem=conv", "positions=sincos", "prefix_positions=false", "optimizer=adamw"})
      words.insert(words.end(), {"--set", setting});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  REQUIRE(tessera(scratch.path(), run("a", {"--threads", "1"})).code == 0);
  const Words again = run("b", {"--threads", "2", "--checkpoint-every", "3", "--resume"});
  for (int after = 20; !std::filesystem::exists(scratch.path() / "b/checkpoint.safetensors"); after += 20)
    tessera(scratch.path(), again, after);  // killed, sooner or later after a checkpoint
  REQUIRE(tessera(scratch.path(), again).code == 0);
  check_same_run(scratch, "a", "b");

  const auto model = read_safetensors(scratch.path() / "a/model.safetensors");
  CHECK(model.metadata.at("arch") == "vit_mini");
  CHECK(
      model.metadata.at("settings") ==
      R"({"depth":"2","dim":"32","drop_path":"0.3","grad_checkpointing":"false","heads":"2","init":"timm","layer_scale":"0.1","patch":"4",)"
      R"("pool":"avg","positions":"sincos","prefix_positions":"false","registers":"1","stem":"conv"})");
  CHECK(model.tensors.at("pos_embed").shape() == Shape{1, 16, 32});
  const auto embedded = tessera(scratch.path(), {"embed", "--model", "a", "--data", "shapes", "--split",
                                                 "test", "--out", "features.safetensors"});
  INFO(embedded.err);
  CHECK(embedded.out == "float32[5000, 32] of shapes: features.safetensors\n");

  const auto attended = tessera(scratch.path(), {"attend", "--model", "a", "--data", "shapes", "--count", "2",
                                                 "--block", "0", "--size", "32", "--out", "maps.png"});
  INFO(attended.err);
  CHECK(attended.out == "2 images, 2 heads: maps.png\n");
  const Image maps = read_image(scratch.path() / "maps.png");
  CHECK(maps.width > 4 * 32 * 4);  // the image, the mean, two heads; enlarged four times
  CHECK(maps.height > 2 * 32 * 4);
  CHECK(std::set<std::uint8_t>(maps.pixels.begin(), maps.pixels.end()).size() > 32);
  CHECK(
      tessera(scratch.path(), {"attend", "--model", "a", "--image", "maps.png", "--out", "again.png"}).out ==
      "1 image, 2 heads: again.png\n");
  CHECK(tessera(scratch.path(), {"attend", "--model", "a", "--image", "maps.png", "--block", "2"}).err ==
        "tessera: error: --block: 2: the encoder has 2 blocks; choose -2 to 1\n");
  CHECK(tessera(scratch.path(), {"attend", "--model", "a", "--image", "maps.png", "--size", "30"}).err ==
        "tessera: error: --size: 30: must be a multiple of the patches' 4 pixels\n");
  CHECK(tessera(scratch.path(), {"attend", "--model", "a"}).err ==
        "tessera: error: attend: name images by --image FILE, or a data set by --data\n");
}

TEST_CASE("a run killed at random moments and resumed gives the same bytes") {
  constexpr int kKills = 5;
  const ScratchFolder scratch;
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(tessera(scratch.path(), tiny_run("whole")).code == 0);
  const std::chrono::duration<double, std::milli> whole = std::chrono::steady_clock::now() - start;
  const Words again = tiny_run("killed", {"--checkpoint-every", "2", "--resume"});
  std::mt19937 random(std::random_device{}());
  auto longest = static_cast<int>(whole.count()) / 2 + 2;
  int kills = 0;
  for (int attempt = 0; kills < kKills; ++attempt) {
    REQUIRE(attempt < 100);
    const int after = std::uniform_int_distribution<int>(1, longest)(random);
    CAPTURE(after);
    const auto result = tessera(scratch.path(), again, after);
    CAPTURE(result.err);
    REQUIRE((result.code == 0 || result.code == 128 + SIGKILL));
    ++kills;
    if (result.code != 0) continue;
    // It was done before all the kills: once more from the start, with earlier ones.
    std::filesystem::remove_all(scratch.path() / "killed");
    kills = 0;
    longest = longest * 3 / 4 + 2;
  }
  const auto last = tessera(scratch.path(), again);
  INFO(last.err);
  REQUIRE(last.code == 0);
  check_same_run(scratch, "whole", "killed");
}

TEST_CASE("a resumed run in 16 bits has the same bytes, and its weights are float32") {
  const ScratchFolder scratch;
  for (const std::string precision : {"bf16", "fp16"}) {
    CAPTURE(precision);
    const std::string again = precision + "-again";
    REQUIRE(tessera(scratch.path(), tiny_run(precision, {"--precision", precision})).code == 0);
    const Words resumed{"--precision", precision, "--resume", "--checkpoint-every", "3"};
    for (int after = 50; !std::filesystem::exists(scratch.path() / again / "checkpoint.safetensors");
         after += 50)
      tessera(scratch.path(), tiny_run(again, resumed), after);  // killed, sooner or later after a checkpoint
    REQUIRE(tessera(scratch.path(), tiny_run(again, {"--precision", precision, "--resume", "--threads", "1"}))
                .code == 0);
    check_same_run(scratch, precision, again);
    const auto model = read_safetensors(scratch.path() / precision / "model.safetensors");
    for (const auto& [name, tensor] : model.tensors)
      CHECK((tensor.dtype() == float32 || tensor.dtype() == int64));
  }
  // float16 starts with a scale that may be too large: then the step is skipped and the scale halved
  const auto lines = metrics_of(scratch, "fp16");
  CHECK(lines[0]["loss_scale"] == 65536);
  for (std::size_t step = 0; step + 1 < lines.size(); ++step) {
    const bool skipped = lines[step]["skipped"];
    CHECK(lines[step]["gradient_norm"].is_null() == skipped);
    CHECK(lines[step + 1]["loss_scale"] == lines[step]["loss_scale"].get<double>() * (skipped ? 0.5 : 1));
  }
  CHECK_FALSE(metrics_of(scratch, "bf16")[0].contains("loss_scale"));
}

TEST_CASE("in 16 bits the loss falls as in float32") {
  const ScratchFolder scratch;
  // Mild views and large steps, so that ten of them teach the network something. Steps as large as these make
  // much of the order of a sum: one run may end a third from another, the mean of three doesn't.
  constexpr std::size_t kSteps = 12;
  const auto add_run = [&](const std::string& precision, const std::string& seed, const Words& more,
                           std::vector<double>& sums) {
    const std::string out = precision + "-" + seed;
    Words words{"pretrain",     "simclr", "--data",      "shapes",  "--steps", std::to_string(kSteps),
                "--batch-size", "32",     "--precision", precision, "--seed",  seed,
                "--out",        out};
    for (const char* setting :
         {"width=8", "stem=small", "image_size=32", "projector_out=32", "crop_min=0.9", "jitter=0", "flip=0",
          "grey=0", "learning_rate=0.6", "trust=0.02", "momentum=0.5", "warmup_steps=0", "temperature=0.2"})
      words.insert(words.end(), {"--set", setting});
    words.insert(words.end(), more.begin(), more.end());
    REQUIRE(tessera(scratch.path(), words).code == 0);
    const auto lines = metrics_of(scratch, out);
    REQUIRE(lines.size() == kSteps);
    for (std::size_t step = 0; step < kSteps; ++step) sums[step] += lines[step]["loss"].get<double>();
  };
  const auto losses = [&](const std::string& precision, const Words& more = {}) {
    const Words seeds{"1", "2", "3"};
    std::vector<double> result(kSteps);
    for (const std::string& seed : seeds) add_run(precision, seed, more, result);
    for (double& loss : result) loss /= static_cast<double>(seeds.size());
    return result;
  };
  const auto last_four = [](const std::vector<double>& all) {
    return (all[8] + all[9] + all[10] + all[11]) / 4;
  };
  const auto wide = losses("fp32");
  for (const auto& low : {losses("bf16"), losses("fp16", {"--set", "loss_scale=1024"})}) {
    CHECK(low != wide);  // it did compute in another precision
    CHECK(low[0] == doctest::Approx(wide[0]).epsilon(0.01));
    CHECK(last_four(low) ==
          doctest::Approx(last_four(wide)).epsilon(0.15));  // 4 % here; single steps vary more
    CHECK(last_four(low) < 0.6 * low[0]);
  }
}

TEST_CASE("resume goes on only with the same run") {
  const ScratchFolder scratch;
  SUBCASE("an empty folder starts afresh") {
    std::filesystem::create_directory(scratch.path() / "run");
    CHECK(tessera(scratch.path(), tiny_run("run", {"--resume"})).code == 0);
    CHECK(metrics_of(scratch, "run").size() == 30);
  }
  SUBCASE("a complete run stays as it is") {
    REQUIRE(tessera(scratch.path(), tiny_run("run")).code == 0);
    const std::string model = read_text(scratch.path() / "run/model.safetensors");
    CHECK(tessera(scratch.path(), tiny_run("run", {"--resume", "--threads", "1", "--workers", "2"})).code ==
          0);
    CHECK((read_text(scratch.path() / "run/model.safetensors") == model));
    const auto other = tessera(scratch.path(), tiny_run("run", {"--resume", "--set", "temperature=0.1"}));
    CHECK(other.code == 2);
    CHECK(other.err ==
          "tessera: error: --resume: run/config.json: setting temperature is '0.5' there but '0.1' here; "
          "repeat "
          "the first command's options, or give --config run/config.json\n");
    const auto fresh = tessera(scratch.path(), tiny_run("run"));
    CHECK(fresh.code == 2);
    CHECK(fresh.err ==
          "tessera: error: --out: run is not empty; add --resume to go on with the run in it, or choose "
          "another "
          "folder\n");
    CHECK((read_text(scratch.path() / "run/model.safetensors") == model));
  }
}

TEST_CASE("--from starts from an earlier encoder, embed writes its features") {
  const ScratchFolder scratch;
  REQUIRE(tessera(scratch.path(), tiny_run("first")).code == 0);
  // A rate of 0 leaves the weights where --from put them.
  REQUIRE(tessera(scratch.path(), tiny_run("second", {"--from", "first", "--set", "learning_rate=0"})).code ==
          0);
  const auto first = read_safetensors(scratch.path() / "first/model.safetensors"),
             second = read_safetensors(scratch.path() / "second/model.safetensors");
  CHECK(first.metadata.at("arch") == "resnet18");
  CHECK(first.metadata.at("settings") == R"({"stem":"small","width":"4","zero_init":"false"})");
  CHECK(same_values(first.tensors.at("layer4.1.conv2.weight"), second.tensors.at("layer4.1.conv2.weight")));

  const auto embed = [&](const std::string& model, const std::string& out) {
    const auto result = tessera(scratch.path(), {"embed", "--model", model, "--data", "shapes", "--split",
                                                 "test", "--out", out, "--threads", "2"});
    INFO(result.err);
    REQUIRE(result.code == 0);
    CHECK(result.out == "float32[5000, 32] of shapes: " + out + "\n");
    return read_safetensors(scratch.path() / out).tensors;
  };
  const TensorMap by_folder = embed("first", "a.safetensors");
  const TensorMap by_file = embed("first/model.safetensors", "b.safetensors");
  CHECK(same_values(by_folder.at("features"), by_file.at("features")));
  CHECK_FALSE(same_values(by_folder.at("features"), embed("second", "c.safetensors").at("features")));
  for (const std::int64_t i : {0, 17, 4999}) {
    CHECK(by_folder.at("ids").data<std::int64_t>()[i] == i);
    CHECK(by_folder.at("labels").data<std::int64_t>()[i] == i % 10);
  }
}

}  // namespace tsr::test
