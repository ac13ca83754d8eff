#include "tensor/device.h"

#include <array>
#include <ostream>

#include "tensor/error.h"

namespace tsr {
namespace {
constexpr std::array<std::string_view, kDeviceCount> kNames{"cpu", "emu", "cuda"};
}

std::string_view name_of(Device device) { return kNames[static_cast<int>(device)]; }

Device device_from_name(std::string_view name) {
  if (name == "cpu") return Device::cpu;
  if (name == "emu" || name == "cuda")
    throw InputError(text("device: '", name, "' is not in this build; available: cpu"));
  throw InputError(text("device: unknown name '", name, "'; known: cpu"));
}

std::ostream& operator<<(std::ostream& out, Device device) { return out << name_of(device); }

}  // namespace tsr
