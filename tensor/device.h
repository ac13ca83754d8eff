#pragma once
// The devices a tensor can live on.

#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace tsr {

/// cpu; emu: CUDA kernels run by the emulator; cuda: a GPU.
enum class Device : std::uint8_t { cpu, emu, cuda };
inline constexpr int kDeviceCount = 3;

std::string_view name_of(Device device);
/// The inverse of name_of; throws Error for an unknown name, or for a device that this build or machine
/// lacks.
Device device_from_name(std::string_view name);
std::ostream& operator<<(std::ostream& out, Device device);

}  // namespace tsr
