#pragma once
#include <cstdint>
#include <vector>

namespace tsr::test {

/// Reproducible values in [-1, 1).
template <class T>
std::vector<T> values(int64_t count, std::uint32_t seed) {
  std::vector<T> result(static_cast<std::size_t>(count));
  for (T& value : result) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<T>(static_cast<double>(seed >> 8) / (1 << 23) - 1);
  }
  return result;
}

}  // namespace tsr::test
