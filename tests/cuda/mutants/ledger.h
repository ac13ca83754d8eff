#pragma once
// What became of each mutant, kept in a file: a run that is interrupted goes on where it was.

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace tsr::mutant {

enum class Fate { survived, finding, value, crash, hang };
inline constexpr const char* kFates[] = {"survived", "finding", "value", "crash", "hang"};

/// In memory that the mutant's process shares with ours, and so of fixed size.
struct Outcome {
  Fate fate;
  char message[400];
};

class Ledger {
 public:
  /// Reads `file` if it was written after `built`, and begins it anew otherwise.
  Ledger(const std::filesystem::path& file, std::filesystem::file_time_type built);

  /// Null when the mutant has not run.
  const Outcome* find(const std::string& mutant) const;
  void add(const std::string& mutant, const Outcome& outcome);

 private:
  std::map<std::string, Outcome> known_;
  std::ofstream file_;
};

}  // namespace tsr::mutant
