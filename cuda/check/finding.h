#pragma once
// A finding: what is wrong with an access, told like the emulator's own errors.

#include <string>
#include <vector>

namespace tsr::emu::check {

/// "tests/cuda/check/kernels.cu:41": the innermost place of the source that is not the emulator's; of code
/// that was compiled without -g the function, of a library without symbols "??". `code` is behind the
/// instruction, as return addresses are.
std::string source_of(const void* code);
/// Of many at once, which costs little more.
std::vector<std::string> sources_of(const std::vector<const void*>& codes);
/// Ends the block that runs: its launch throws Error with the kernel, block, thread, the line of `code`, and
/// `message`.
[[noreturn]] void report(const void* code, const std::string& message);

/// Called where the signal of an instruction at `code` is handled: keeps who was running until somebody asks.
void note_host_access(const void* code);
/// "emu: host, FILE:LINE: device memory touched outside a launch or transfer" for each since the last call;
/// of those between two launches or transfers only the first was seen. A program that ends with some left
/// prints them and fails.
std::vector<std::string> take_host_accesses();

}  // namespace tsr::emu::check
