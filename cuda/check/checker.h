#pragma once
// Checker: judges each access of a kernel by the shadow of what it touches. One block runs at a time.

#include <cstddef>

namespace tsr::emu::check {

enum class Kind { read, write, atomic };

/// The running thread touches [p, p + bytes) from `code`; `alignment` is what the instruction needs. Does
/// nothing for memory that is neither shared nor the device's (a stack).
void access(const void* p, std::size_t bytes, std::size_t alignment, Kind kind, const void* code);

}  // namespace tsr::emu::check
