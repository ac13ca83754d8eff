#pragma once
// The two variants of a slot that stands before a library's door.

#include "tensor/kernel.h"

namespace tsr {

struct DoorVariant {
  const char* name;
  Device standard;  ///< the device that calls it unless told otherwise
};

/// cuBLAS or cuDNN on a GPU; on the emulator, what stands in for them.
inline constexpr DoorVariant kLibrary{"library", Device::cuda};
/// Our own kernels.
inline constexpr DoorVariant kHandwritten{"handwritten", Device::emu};

}  // namespace tsr

/// TSR_VARIANT_KERNEL(kHandwritten, slot, function template, types…): registers function<T> for each type.
#define TSR_VARIANT_KERNEL(variant, slot, function, ...)                                     \
  static const ::tsr::Register<__VA_ARGS__> TSR_JOIN(register_##slot##_, __LINE__)(          \
      slot, ::tsr::Device::TSR_BACKEND, [](auto type) { return &function<decltype(type)>; }, \
      ::tsr::variant.name,                                                                   \
      ::tsr::variant.standard == ::tsr::Device::TSR_BACKEND ? ::tsr::Standing::standard      \
                                                            : ::tsr::Standing::alternative)
