#pragma once
// What tessera-bench measures.

#include <functional>
#include <string>
#include <vector>

#include "tensor/device.h"

namespace tsr::bench {

struct Case {
  std::string name;  ///< the peer's case of this name does the same
  double work = 0;   ///< of one repetition, in `unit`s; 0 where none is stated
  std::string unit;  ///< "flop" or "byte"
  /// Builds the data and gives one repetition.
  std::function<std::function<void()>()> prepare;
  /// What stands beside it in this same program, instead of a peer's case; "" for none.
  std::string rival = "";
  std::function<std::function<void()>()> prepare_rival = nullptr;
};

/// Those that have a peer (bench/peers.py says what each does), then one for each OpCase with a benchmark,
/// op_NAME; all in float32.
std::vector<Case> all_cases(Device device);
/// On a CUDA device: our matrix products and convolutions beside the libraries', and attention in bfloat16
/// and SimCLR's step in mixed precision beside the peer's. On the emulator of a size that only shows that all
/// of it runs.
std::vector<Case> device_cases(Device device);

}  // namespace tsr::bench
