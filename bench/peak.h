#pragma once
// The bound of every product of matrices on this machine.

#include <cstdint>

namespace tsr::bench {

/// Multiplies and adds between registers alone, on one thread; returns how many floating-point operations
/// that were.
double multiply_add(std::int64_t rounds);

}  // namespace tsr::bench
