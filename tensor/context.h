#pragma once
// Context: where a kernel runs and the scratch memory it may use.

#include <cstddef>
#include <vector>

#include "tensor/allocator.h"
#include "tensor/device.h"

namespace tsr {

class Context {
 public:
  explicit Context(Device device) : device_(device) {}

  Device device() const { return device_; }
  /// Scratch memory, 64-byte aligned, contents undefined, valid until the Context ends.
  void* workspace(std::size_t bytes) { return blocks_.emplace_back(device_, bytes).data(); }
  template <class T>
  T* workspace_of(std::size_t count) {
    return static_cast<T*>(workspace(count * sizeof(T)));
  }

 private:
  Device device_;
  std::vector<Block> blocks_;
};

}  // namespace tsr
