#pragma once
// Which of the compiled instruction sets run-time dispatch picks on this machine.

#include <string>

namespace tsr {

/// Highway's name of the target: "AVX2", "AVX3" (AVX-512), "NEON", …; followed by ", AMX" where float32
/// products run on its tiles.
std::string instruction_set();

}  // namespace tsr
