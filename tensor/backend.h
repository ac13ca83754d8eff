#pragma once
// Backend: what a device other than the CPU must give beside kernels. cuda/ registers them.

#include <cstddef>
#include <string>

#include "tensor/allocator.h"
#include "tensor/device.h"

namespace tsr {

struct Backend {
  Allocator* memory = nullptr;
  /// Why the device can't be used on this machine, or empty: "no device".
  std::string (*unavailable)() = nullptr;
  /// What it is, where that says more than its name: "NVIDIA H100, compute capability 9.0, 79 GiB".
  std::string (*description)() = nullptr;
  // Both copy dense bytes behind all work queued on the device by this thread.
  /// Returns when the bytes are on the host.
  void (*to_host)(void* host, const void* device, std::size_t bytes) = nullptr;
  /// Returns when the host's bytes may change, which may be before the device has them.
  void (*from_host)(void* device, const void* host, std::size_t bytes) = nullptr;
};

/// Static registration: `const RegisterBackend r(Device::emu, {...});`
struct RegisterBackend {
  RegisterBackend(Device device, const Backend& backend);
};

/// Throws InputError for a device that this build or machine lacks.
const Backend& backend(Device device);
/// "cpu, emu": the devices that can be used.
std::string available_devices();
/// "cpu, emu, cuda (NVIDIA H100, compute capability 9.0, 79 GiB)".
std::string described_devices();

}  // namespace tsr
