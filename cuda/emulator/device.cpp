// The device `emu`: host memory that only kernels and transfers touch.

#include <cstring>

#include "cuda/emulator/stream.h"
#include "cuda/emulator/watch.h"
#include "tensor/backend.h"

namespace tsr::emu {
namespace {

void copy(void* to, const void* from, std::size_t bytes) {
  copy_async(to, from, bytes, current_stream());
  current_stream().synchronize();
}

const RegisterBackend registered(Device::emu, {.memory = &watch::device_memory(),
                                               .unavailable = nullptr,
                                               .to_host = &copy,
                                               .from_host = &copy});

}  // namespace
}  // namespace tsr::emu
