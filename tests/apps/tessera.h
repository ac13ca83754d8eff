#pragma once
// Runs the built tessera command as a user would.

#include <doctest/doctest.h>
#include <string>
#include <vector>

#include "tests/support/program.h"

namespace tsr::test {

using Words = std::vector<std::string>;

inline CommandResult tessera(const std::filesystem::path& folder, const Words& arguments,
                             int kill_after_ms = 0) {
  return run_program(TESSERA_BINARY_DIR "/bin/tessera", folder, arguments, kill_after_ms);
}

/// That two runs have left the same bytes.
inline void check_same_run(const ScratchFolder& scratch, const std::string& a, const std::string& b) {
  for (const char* file : {"model.safetensors", "checkpoint.safetensors", "metrics.jsonl", "config.json"}) {
    INFO(b, "/", file);
    const std::string content = read_text(scratch.path() / a / file);
    CHECK(!content.empty());
    CHECK((content == read_text(scratch.path() / b / file)));
  }
}

}  // namespace tsr::test
