#include "tests/apps/golden_replay.h"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

namespace tsr::test {

std::filesystem::path golden_folder(const std::string& name) {
  return std::filesystem::path(TESSERA_SOURCE_DIR) / "tests/golden" / name;
}

std::map<std::string, double> replay_distances(const std::filesystem::path& golden,
                                               const TensorMap& final_state) {
  const TensorMap init = read_safetensors(golden / "init.safetensors").tensors,
                  moves = read_safetensors(golden / "moves.safetensors").tensors;
  std::map<std::string, double> result;
  for (const auto& [name, move] : moves) {
    if (!final_state.contains(name)) continue;
    const Tensor& ours = final_state.at(name);
    REQUIRE(ours.dtype() == float64);
    REQUIRE(ours.shape() == move.shape());
    double off = 0, total = 0;
    for (std::int64_t i = 0; i < move.numel(); ++i) {
      const double reference = move.data<float>()[i];
      const double moved = ours.data<double>()[i] - double{init.at(name).data<float>()[i]};
      off += (moved - reference) * (moved - reference);
      total += reference * reference;
    }
    result[name] = total > 0  ? std::sqrt(off / total)
                   : off == 0 ? 0
                              : std::numeric_limits<double>::infinity();
  }
  return result;
}

std::vector<std::string> replay_command(const std::filesystem::path& golden,
                                        const std::vector<std::string>& changes,
                                        const std::filesystem::path& init,
                                        const std::filesystem::path& views) {
  const auto config = nlohmann::json::parse(read_text(golden / "config.json"));
  std::vector<std::string> words{"replay",  config["method"],
                                 "--arch",  config["arch"],
                                 "--init",  (init.empty() ? golden / "init.safetensors" : init).string(),
                                 "--views", (views.empty() ? golden / "views.safetensors" : views).string()};
  for (const auto& [key, value] : config["settings"].items())
    words.insert(words.end(),
                 {"--set", key + '=' + (value.is_string() ? value.get<std::string>() : value.dump())});
  for (const std::string& change : changes) words.insert(words.end(), {"--set", change});
  return words;
}

TensorMap replay_golden(const ScratchFolder& scratch, const std::filesystem::path& golden,
                        const std::vector<std::string>& changes, std::string* printed,
                        const std::filesystem::path& init, const std::filesystem::path& views) {
  std::vector<std::string> words = replay_command(golden, changes, init, views);
  words.insert(words.end(), {"--dump", "final.safetensors"});
  const auto result = tessera(scratch.path(), words);
  INFO(result.err);
  REQUIRE(result.code == 0);
  if (printed != nullptr) *printed = result.out;
  return read_safetensors(scratch.path() / "final.safetensors").tensors;
}

void check_steps(const std::filesystem::path& golden, const std::string& printed) {
  std::istringstream ours(printed), theirs(read_text(golden / "steps.jsonl"));
  int steps = 0;
  for (std::string a, b; std::getline(ours, a) && std::getline(theirs, b); ++steps) {
    const auto mine = nlohmann::json::parse(a), reference = nlohmann::json::parse(b);
    CHECK(mine["step"] == reference["step"]);
    CHECK(mine["loss"].get<double>() == doctest::Approx(reference["loss"].get<double>()).epsilon(1e-9));
    CHECK(mine["gradient_norm"].get<double>() ==
          doctest::Approx(reference["gradient_norm"].get<double>()).epsilon(1e-9));
  }
  CHECK(steps == 4);
}

}  // namespace tsr::test
