#include "cuda/runtime/stream.h"

#include "cuda/runtime/check.h"
#include "tensor/error.h"

namespace tsr::cuda {
void check(cudaError_t code, std::string_view what) {
  if (code == cudaSuccess) [[likely]]
    return;
  cudaGetLastError();  // forgets an error that need not be the end
  throw Error(text("cuda: ", what, ": ", cudaGetErrorString(code)));
}

Stream::Stream() { check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreate"); }
Stream::~Stream() { cudaStreamDestroy(handle_); }
void Stream::synchronize() { check_behind(cudaStreamSynchronize(handle_), "cudaStreamSynchronize"); }
void Stream::check_behind(cudaError_t code, const char* call) const {
  if (code != cudaSuccess) check(code, text(call, " behind ", last_));
}

void Event::record(Stream& stream) {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  mark_ = {event, [](cudaEvent_t old) { cudaEventDestroy(old); }};
  check(cudaEventRecord(event, stream.handle()), "cudaEventRecord");
}

void Event::block(Stream& stream) const {
  if (mark_ != nullptr) check(cudaStreamWaitEvent(stream.handle(), mark_.get(), 0), "cudaStreamWaitEvent");
}

void Event::synchronize() const {
  if (mark_ != nullptr) check(cudaEventSynchronize(mark_.get()), "cudaEventSynchronize");
}

void copy_async(void* to, const void* from, std::size_t bytes, Stream& stream) {
  stream.check_behind(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream.handle()),
                      "cudaMemcpyAsync");
}

void* pinned_memory(std::size_t bytes) {
  void* memory = nullptr;
  check(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault), "cudaHostAlloc");
  return memory;
}

}  // namespace tsr::cuda
