// The device `cuda`: the first GPU that the driver shows.

#include <cstdint>
#include <limits>
#include <mutex>
#include <string>

#include "cuda/runtime/check.h"
#include "cuda/runtime/stream.h"
#include "cuda/staging.h"
#include "tensor/backend.h"
#include "tensor/error.h"

namespace tsr::cuda {
namespace {

constexpr int kOldest = 8;  // compute capability: what the kernels are compiled for

std::string unavailable() {
  static const std::string reason = []() -> std::string {
    int count = 0, major = 0;
    const bool found = cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
    cudaGetLastError();
    if (!found) return "no device";
    check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "cudaDeviceGetAttribute");
    return major >= kOldest ? ""
                            : text("the device has compute capability ", major, ".x; need ", kOldest, ".0");
  }();
  return reason;
}

std::string description() {
  cudaDeviceProp device{};
  check(cudaGetDeviceProperties(&device, 0), "cudaGetDeviceProperties");
  return text(device.name, ", compute capability ", device.major, '.', device.minor, ", ",
              device.totalGlobalMem >> 30, " GiB");
}

/// The driver's stream-ordered pool, told to keep what is freed. What one stream frees is reused by it
/// without waiting.
class PoolAllocator final : public Allocator {
 public:
  void* allocate(std::size_t bytes) override {
    std::lock_guard lock(mutex_);
    keep_freed_memory();
    void* pointer = nullptr;
    const cudaError_t code = cudaMallocAsync(&pointer, bytes == 0 ? 1 : bytes, current_stream().handle());
    if (code == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      throw Error(text("cuda: out of memory: ", bytes, " bytes asked for, ", stats_.live_bytes,
                       " in use; reduce the batch or image size"));
    }
    check(code, "cudaMallocAsync");
    stats_.live_bytes += static_cast<std::int64_t>(bytes);
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes);
    return pointer;
  }

  void release(void* pointer, std::size_t bytes) noexcept override {
    std::lock_guard lock(mutex_);
    stats_.live_bytes -= static_cast<std::int64_t>(bytes);
    cudaFreeAsync(pointer, current_stream().handle());
  }

  MemoryStats stats() const override {
    std::lock_guard lock(mutex_);
    MemoryStats result = stats_;
    if (pool_ != nullptr) {
      std::uint64_t reserved = 0, used = 0;
      check(cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrReservedMemCurrent, &reserved),
            "cudaMemPoolGetAttribute");
      check(cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrUsedMemCurrent, &used), "cudaMemPoolGetAttribute");
      result.cached_bytes = static_cast<std::int64_t>(reserved - used);
    }
    return result;
  }

  void reset_peak() override {
    std::lock_guard lock(mutex_);
    stats_.peak_bytes = stats_.live_bytes;
  }

  void trim() override {
    std::lock_guard lock(mutex_);
    if (pool_ == nullptr) return;
    current_stream().synchronize();
    check(cudaMemPoolTrimTo(pool_, 0), "cudaMemPoolTrimTo");
  }

 private:
  void keep_freed_memory() {
    if (pool_ != nullptr) return;
    check(cudaDeviceGetDefaultMemPool(&pool_, 0), "cudaDeviceGetDefaultMemPool");
    std::uint64_t everything = std::numeric_limits<std::uint64_t>::max();
    check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &everything),
          "cudaMemPoolSetAttribute");
  }

  mutable std::mutex mutex_;
  cudaMemPool_t pool_ = nullptr;
  MemoryStats stats_;
};

struct Transfer {
  using Stream = cuda::Stream;
  using Event = cuda::Event;
  static void* pinned_memory(std::size_t bytes) { return cuda::pinned_memory(bytes); }
  static void copy_async(void* to, const void* from, std::size_t bytes, Stream& stream) {
    cuda::copy_async(to, from, bytes, stream);
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

const RegisterBackend registered(Device::cuda, {.memory = new PoolAllocator,
                                                .unavailable = &unavailable,
                                                .description = &description,
                                                .to_host = &download,
                                                .from_host = &upload});

}  // namespace
}  // namespace tsr::cuda
