#include "tests/cuda/mutants/ledger.h"

#include <algorithm>
#include <cstring>

#include "tensor/error.h"

namespace tsr::mutant {
namespace {

namespace fs = std::filesystem;

/// A line a mutant: its name, its fate and the message, with tabs between.
std::map<std::string, Outcome> read(const fs::path& path) {
  std::map<std::string, Outcome> all;
  std::ifstream file(path);
  std::string name, fate, message;
  while (std::getline(file, name, '\t') && std::getline(file, fate, '\t') && std::getline(file, message)) {
    const auto* const word = std::ranges::find(kFates, fate);
    TSR_CHECK(word != std::end(kFates), path, ": ", fate, ": no such fate; delete the file");
    Outcome& outcome = all[name];
    outcome.fate = static_cast<Fate>(word - kFates);
    std::strncpy(outcome.message, message.c_str(), sizeof outcome.message - 1);
  }
  return all;
}

}  // namespace

Ledger::Ledger(const fs::path& file, fs::file_time_type built) {
  const bool valid = fs::exists(file) && fs::last_write_time(file) > built;
  if (valid) known_ = read(file);
  file_.open(file, valid ? std::ios::app : std::ios::trunc);
  TSR_CHECK(file_, file, ": can't be written");
}

const Outcome* Ledger::find(const std::string& mutant) const {
  const auto found = known_.find(mutant);
  return found == known_.end() ? nullptr : &found->second;
}

void Ledger::add(const std::string& mutant, const Outcome& outcome) {
  std::string message = outcome.message;
  std::ranges::replace(message, '\n', ' ');
  known_[mutant] = outcome;
  file_ << mutant << '\t' << kFates[static_cast<int>(outcome.fate)] << '\t' << message << std::endl;
}

}  // namespace tsr::mutant
