// SimCLR's replay against an independent PyTorch script (tests/golden/simclr_replay.py), and what happens to
// it without each ingredient.
#include <algorithm>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/apps/golden_replay.h"

namespace tsr::test {
namespace {

constexpr double kTolerance = kReplayTolerance;
const std::filesystem::path kGolden = golden_folder("simclr");

/// The golden configuration in our settings' names, with `changes` on top.
std::vector<std::string> replay_words(const std::string& init, const std::vector<std::string>& changes) {
  const auto config = nlohmann::json::parse(read_text(kGolden / "config.json"));
  std::vector<std::string> words{"replay",  "simclr",
                                 "--arch",  config["arch"],
                                 "--init",  init,
                                 "--views", (kGolden / "views.safetensors").string(),
                                 "--dump",  "final.safetensors"};
  const std::vector<std::pair<std::string, std::string>> names{{"stem", "stem"},
                                                               {"width", "width"},
                                                               {"projector_hidden", "projector_hidden"},
                                                               {"projector_out", "projector_out"},
                                                               {"steps_per_epoch", "steps_per_epoch"},
                                                               {"steps", "total_steps"},
                                                               {"temperature", "temperature"},
                                                               {"learning_rate", "learning_rate"},
                                                               {"warmup_steps", "warmup_steps"},
                                                               {"momentum", "momentum"},
                                                               {"weight_decay", "weight_decay"},
                                                               {"trust_coefficient", "trust"}};
  for (const auto& [theirs, ours] : names) {
    const auto& value = config[theirs];
    words.insert(words.end(),
                 {"--set", ours + '=' + (value.is_string() ? value.get<std::string>() : value.dump())});
  }
  for (const std::string& change : changes) words.insert(words.end(), {"--set", change});
  return words;
}

std::map<std::string, double> distances(const TensorMap& final_state) {
  return replay_distances(kGolden, final_state);
}

TensorMap final_state(const ScratchFolder& scratch, const std::string& init,
                      const std::vector<std::string>& changes, std::string* printed = nullptr) {
  const auto result = tessera(scratch.path(), replay_words(init, changes));
  INFO(result.err);
  REQUIRE(result.code == 0);
  if (printed != nullptr) *printed = result.out;
  return read_safetensors(scratch.path() / "final.safetensors").tensors;
}

}  // namespace

TEST_CASE("replay moves every tensor as PyTorch does") {
  const ScratchFolder scratch;
  std::string printed;
  const auto found = distances(final_state(scratch, (kGolden / "init.safetensors").string(), {}, &printed));
  CHECK(found.size() == read_safetensors(kGolden / "moves.safetensors").tensors.size());
  for (const auto& entry : found) {
    INFO(entry.first);
    CHECK(entry.second <= kTolerance);
  }
  check_steps(kGolden, printed);
}

TEST_CASE("replay differs without any one ingredient") {
  const ScratchFolder scratch;
  std::string init = (kGolden / "init.safetensors").string();
  std::vector<std::string> change;
  SUBCASE("self-mask") { change = {"self_mask=false"}; }
  SUBCASE("temperature") { change = {"temperature=1"}; }
  SUBCASE("LARS's exclusion of norms and biases") { change = {"lars_exclude=false"}; }
  SUBCASE("batch norm of the projector") {
    change = {"projector_bn=false"};
    TensorMap without;
    for (const auto& [name, tensor] : read_safetensors(init).tensors)
      if (!name.starts_with("projector.1.") && !name.starts_with("projector.4.")) without[name] = tensor;
    // Linear layers without a norm have a bias.
    for (const char* layer : {"projector.0.", "projector.3."})
      without[std::string(layer) + "bias"] = zeros({without.at(std::string(layer) + "weight").size(0)});
    init = (scratch.path() / "init.safetensors").string();
    write_safetensors(init, without);
  }
  for (const auto& entry : distances(final_state(scratch, init, change))) {
    INFO(entry.first);
    CHECK(entry.second > 1000 * kTolerance);
  }
}

TEST_CASE("replay lists the tensors that it wants") {
  const ScratchFolder scratch;
  const auto result = tessera(
      scratch.path(), {"replay", "simclr", "--list-state", "--set", "width=3", "--set", "stem=cifar"});
  CHECK(result.code == 0);
  std::istringstream lines(result.out);
  std::vector<std::string> init;
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("--init   ")) init.push_back(line.substr(9, line.find("  ", 9) - 9));
  for (const auto& [name, tensor] : read_safetensors(kGolden / "init.safetensors").tensors)
    CHECK(std::ranges::find(init, name) != init.end());
  CHECK(result.out.find("--init   encoder.conv1.weight  float32[3, 3, 3, 3]\n") != std::string::npos);
  CHECK(result.out.find("--views  view1  float32[steps, N, C, H, W]\n") != std::string::npos);
}

}  // namespace tsr::test
