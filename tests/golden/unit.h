#pragma once
// The golden scripts' unit(name, i): numbers that both sides compute from a name (see resnet18.py).

#include <cstdint>
#include <string>

#include "tensor/tensor.h"

namespace tsr::test {

inline std::uint64_t splitmix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

inline std::uint64_t fnv1a(const std::string& name) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

/// In [-1, 1), exact in float32.
inline double unit(std::uint64_t name_hash, std::int64_t i) {
  return static_cast<double>(splitmix64(name_hash + static_cast<std::uint64_t>(i)) >> 40) / (1 << 23) - 1;
}

/// A float64 tensor of scale * unit(name, i) + shift, row by row.
inline Tensor filled(const std::string& name, const Shape& shape, double scale, double shift) {
  Tensor tensor = empty(shape, float64);
  const std::uint64_t hash = fnv1a(name);
  for (std::int64_t i = 0; i < tensor.numel(); ++i) tensor.data<double>()[i] = scale * unit(hash, i) + shift;
  return tensor;
}

}  // namespace tsr::test
