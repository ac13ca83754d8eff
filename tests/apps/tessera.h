#pragma once
// Runs the built tessera command as a user would.

#include "tests/support/program.h"

namespace tsr::test {

inline CommandResult tessera(const std::filesystem::path& folder, const std::vector<std::string>& arguments,
                             int kill_after_ms = 0) {
  return run_program(TESSERA_BINARY_DIR "/bin/tessera", folder, arguments, kill_after_ms);
}

}  // namespace tsr::test
