#pragma once
// Golden replays: what tests/golden/*_replay.py wrote down, and how far `tessera replay` is from it.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tensor/safetensors.h"
#include "tests/apps/tessera.h"

namespace tsr::test {

/// ‖Δours − Δreference‖ ≤ this · ‖Δreference‖, Δ being the final minus the initial value.
inline constexpr double kReplayTolerance = 1e-6;

std::filesystem::path golden_folder(const std::string& name);

/// ‖Δours − Δreference‖ / ‖Δreference‖ for each tensor of the folder's reference that `final_state` (float64)
/// has; where the reference stands still, 0 if we do and infinity if not.
std::map<std::string, double> replay_distances(const std::filesystem::path& golden,
                                               const TensorMap& final_state);

/// The command that replays a folder whose config.json has method, arch and settings by our names, with
/// `changes` on top. `init`, `views`: other files than the folder's.
std::vector<std::string> replay_command(const std::filesystem::path& golden,
                                        const std::vector<std::string>& changes,
                                        const std::filesystem::path& init = {},
                                        const std::filesystem::path& views = {});

/// Runs that command; returns the final state.
TensorMap replay_golden(const ScratchFolder& scratch, const std::filesystem::path& golden,
                        const std::vector<std::string>& changes = {}, std::string* printed = nullptr,
                        const std::filesystem::path& init = {}, const std::filesystem::path& views = {});

/// Checks losses and gradient norms as they were printed against the folder's steps.jsonl.
void check_steps(const std::filesystem::path& golden, const std::string& printed);

}  // namespace tsr::test
