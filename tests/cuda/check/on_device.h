#pragma once
// Launches of small kernels in the checking build.

#include <string>

#include "cuda/kernel.h"

namespace tsr::emu {

/// Device memory while it lives. Kernels here look at where they read and write, not at what.
class DeviceBytes {
 public:
  explicit DeviceBytes(std::size_t size) : size_(size), data_(watch::device_memory().allocate(size)) {}
  ~DeviceBytes() { watch::device_memory().release(data_, size_); }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  std::size_t size_;
  void* data_;
};

/// Runs a kernel to its end, or to the first finding, whose text it gives; "" without one.
template <auto kernel, class... Arguments>
std::string finding_of(const LaunchShape& shape, const Arguments&... arguments) {
  try {
    Stream stream;
    launch<kernel>(shape, stream, arguments...);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace tsr::emu
