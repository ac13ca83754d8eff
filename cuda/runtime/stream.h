#pragma once
// Streams, events and transfers of a GPU: the counterpart of cuda/emulator/stream.h.

#include <cstddef>
#include <cuda_runtime_api.h>
#include <memory>
#include <string_view>

#include "cuda/current_stream.h"

namespace tsr::cuda {

/// Work that runs in order. Not blocked by CUDA's default stream, nor blocking it.
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Returns when everything queued so far has run; throws Error for a kernel that failed, which names the
  /// last one queued: that one or one before it.
  void synchronize();
  cudaStream_t handle() const { return handle_; }
  /// Notes a kernel's name, which must last.
  void queued(std::string_view kernel) { last_ = kernel; }
  /// check(), of a call that may report what queued kernels did.
  void check_behind(cudaError_t code, const char* call) const;

 private:
  cudaStream_t handle_ = nullptr;
  std::string_view last_ = "no kernel";
};

/// A mark in a stream. Copies are the same event.
class Event {
 public:
  /// Marks what `stream` holds now.
  void record(Stream& stream);
  /// Work queued on `stream` from now on waits for the mark.
  void block(Stream& stream) const;
  /// Returns when the mark is reached; at once if nothing was recorded.
  void synchronize() const;

 private:
  std::shared_ptr<CUevent_st> mark_;
};

/// The stream that ops of this OS thread use.
inline Stream& current_stream() { return stream_of_thread<Stream>(); }
using StreamScope = StreamScopeOf<Stream>;

/// Queues a copy between host and device, or on the device; `from` must hold until it has run. With host
/// memory that isn't pinned it may wait.
void copy_async(void* to, const void* from, std::size_t bytes, Stream& stream);

/// Page-locked host memory, which the device copies to and from by itself; never freed.
void* pinned_memory(std::size_t bytes);

}  // namespace tsr::cuda
