#pragma once
// Scratch memory of a kernel: elements that nobody has written yet, from the caching allocator.

#include <cstddef>
#include <cstdint>

#include "tensor/allocator.h"

namespace tsr::cpu {

template <class T>
class Buffer {
 public:
  explicit Buffer(std::int64_t count) : block_(Device::cpu, static_cast<std::size_t>(count) * sizeof(T)) {}
  T* data() const { return static_cast<T*>(block_.data()); }
  T& operator[](std::int64_t i) const { return data()[i]; }

 private:
  Block block_;
};

}  // namespace tsr::cpu
