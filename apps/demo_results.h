#pragma once
// The demo's results: collected, shown as a table, written as JSON.

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "apps/evaluation.h"

namespace tsr {

/// Labels of each class that classifiers learn from; 0 stands for all.
inline constexpr std::array<std::int64_t, 3> kDemoBudgets{0, 100, 10};

/// One number of the table.
struct DemoCell {
  std::string classifier;      ///< "knn", "linear"
  std::string representation;  ///< "raw", "untrained", "trained"
  std::int64_t per_class = 0;
  Score score;
  std::string setting;  ///< what was chosen, in words
};

struct DemoResults {
  std::vector<DemoCell> cells;
  double train_seconds = 0;

  /// Judges a representation by both classifiers at every budget.
  void judge(const std::string& representation, const EvalData& data, const ProtocolOptions& options);
  /// Throws Bug when there is none.
  const DemoCell& find(const std::string& classifier, const std::string& representation,
                       std::int64_t per_class) const;
};

/// Test accuracies in per cent: a row for each representation, a column for each classifier and budget.
std::string table_of(const DemoResults& results);
/// The settings behind the table, a line for each number.
std::string settings_of(const DemoResults& results);
/// {"knn": {"raw": {"all": x, "per_class_100": {"mean": x, "std": x}, …}, …}, "linear": …, "train_seconds":
/// t}, accuracies in per cent.
void write_summary(const std::filesystem::path& file, const DemoResults& results);

}  // namespace tsr
