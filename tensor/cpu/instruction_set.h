#pragma once
// Which of the compiled instruction sets run-time dispatch picks on this machine.

#include <string_view>

namespace tsr {

/// Highway's name of the target: "AVX2", "AVX3" (AVX-512), "AVX3_ZEN4", "NEON", ….
std::string_view instruction_set();

}  // namespace tsr
