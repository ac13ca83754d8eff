#pragma once
// What tessera-bench measures.

#include <functional>
#include <string>
#include <vector>

namespace tsr::bench {

struct Case {
  std::string name;  ///< the peer's case of this name does the same
  double work = 0;   ///< of one repetition, in `unit`s; 0 where none is stated
  std::string unit;  ///< "flop" or "byte"
  /// Builds the data and gives one repetition.
  std::function<std::function<void()>()> prepare;
};

/// Those that have a peer (bench/peers.py says what each does), then one for each OpCase with a benchmark,
/// op_NAME.
std::vector<Case> all_cases();

}  // namespace tsr::bench
