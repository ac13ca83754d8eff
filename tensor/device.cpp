#include "tensor/device.h"

#include <array>
#include <ostream>

#include "tensor/backend.h"
#include "tensor/error.h"

namespace tsr {
namespace {

constexpr std::array<std::string_view, kDeviceCount> kDeviceNames{"cpu", "emu", "cuda"};

std::array<Backend, kDeviceCount>& backends() {
  static std::array<Backend, kDeviceCount> all;
  return all;
}

std::string why_unavailable(Device device) {
  if (device == Device::cpu) return "";
  const Backend& found = backends()[static_cast<int>(device)];
  if (found.memory == nullptr) return "not in this build";
  return found.unavailable == nullptr ? "" : found.unavailable();
}

}  // namespace

RegisterBackend::RegisterBackend(Device device, const Backend& backend) {
  backends()[static_cast<int>(device)] = backend;
}

const Backend& backend(Device device) {
  if (const std::string reason = why_unavailable(device); !reason.empty()) [[unlikely]]
    throw InputError(text(device, ": ", reason, "; available: ", available_devices()));
  return backends()[static_cast<int>(device)];
}

namespace {

std::string devices(bool described) {
  std::string result;
  for (int i = 0; i < kDeviceCount; ++i) {
    if (!why_unavailable(static_cast<Device>(i)).empty()) continue;
    result += text(result.empty() ? "" : ", ", kDeviceNames[i]);
    if (described && backends()[i].description != nullptr)
      result += text(" (", backends()[i].description(), ")");
  }
  return result;
}

}  // namespace

std::string available_devices() { return devices(false); }
std::string described_devices() { return devices(true); }

std::string_view name_of(Device device) { return kDeviceNames[static_cast<int>(device)]; }

Device device_from_name(std::string_view name) {
  for (int i = 0; i < kDeviceCount; ++i) {
    if (name != kDeviceNames[i]) continue;
    backend(static_cast<Device>(i));
    return static_cast<Device>(i);
  }
  throw InputError(text("device: unknown name '", name, "'; known: cpu, emu, cuda"));
}

std::ostream& operator<<(std::ostream& out, Device device) { return out << name_of(device); }

}  // namespace tsr
