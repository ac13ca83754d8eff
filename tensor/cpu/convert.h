// Dense runs of values between float32 and the 16-bit formats.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace tsr::cpu {

/// to[0, count) = from[0, count), exactly.
void widen(const BFloat16* from, std::int64_t count, float* to);
void widen(const Float16* from, std::int64_t count, float* to);
/// to[0, count) = from[0, count), rounded to nearest even.
void round(const float* from, std::int64_t count, BFloat16* to);
void round(const float* from, std::int64_t count, Float16* to);

}  // namespace tsr::cpu
