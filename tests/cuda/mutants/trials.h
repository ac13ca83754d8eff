#pragma once
// Trials: the checks of the OpCases on emu, one variant at a time, and which mutants' places each passes.

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/ops/op_check.h"

namespace tsr::mutant {

struct Trial {
  test::OpCase op_case;  ///< with a single variant
  test::Failures (*check)(const test::OpCase&);
  double seconds = 0;         ///< that it took without a mistake
  std::vector<bool> reached;  ///< by number of the mutant

  bool reaches(unsigned mutant) const { return mutant < reached.size() && reached[mutant]; }
};

/// Values, gradients and low precision of every case.
std::vector<Trial> all_trials();

/// When the program or its kernels were built last.
std::filesystem::file_time_type time_of_build();

/// Runs all trials without a mistake in `jobs` processes, or reads what was noted in `cache` if that is newer
/// than the program, to learn `seconds` and `reached`. Throws Error when a trial fails.
void survey(std::vector<Trial>& trials, const std::string& cache, int jobs);

}  // namespace tsr::mutant
