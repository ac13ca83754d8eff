#pragma once
// A finding: what is wrong with an access, told like the emulator's own errors.

#include <string>
#include <vector>

namespace tsr::emu::check {

/// "tests/cuda/check/kernels.cu:41": the innermost place of the source that is not the emulator's.
std::string source_of(const void* code);
/// Ends the block that runs: its launch throws Error with the kernel, block, thread, the line of `code`, and
/// `message`.
[[noreturn]] void report(const void* code, const std::string& message);

/// Called where a signal is handled: keeps the place until somebody asks.
void note_host_access(const void* code);
/// "host, FILE:LINE: device memory touched outside a launch or transfer" for each since the last call.
std::vector<std::string> take_host_accesses();

}  // namespace tsr::emu::check
