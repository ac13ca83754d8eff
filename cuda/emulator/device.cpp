// The device `emu`: host memory that only kernels and transfers touch.

#include <new>

#include "cuda/emulator/stream.h"
#include "cuda/emulator/watch.h"
#include "cuda/staging.h"
#include "tensor/backend.h"

namespace tsr::emu {
namespace {

struct Transfer {
  using Stream = emu::Stream;
  using Event = emu::Event;
  static void* pinned_memory(std::size_t bytes) { return ::operator new(bytes); }
  static void copy_async(void* to, const void* from, std::size_t bytes, Stream& stream) {
    emu::copy_async(to, from, bytes, stream);
  }
};

void download(void* host, const void* device, std::size_t bytes) {
  copy_async(host, device, bytes, current_stream());
  current_stream().synchronize();
}

void upload(void* device, const void* host, std::size_t bytes) {
  static auto* staging = new Staging<Transfer>;  // outlives every stream
  staging->upload(device, host, bytes, current_stream());
}

const RegisterBackend registered(Device::emu, {.memory = &watch::device_memory(),
                                               .unavailable = nullptr,
                                               .description = nullptr,
                                               .to_host = &download,
                                               .from_host = &upload});

}  // namespace
}  // namespace tsr::emu
