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
void Stream::synchronize() { check(cudaStreamSynchronize(handle_), "cudaStreamSynchronize"); }

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
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream.handle()), "cudaMemcpyAsync");
}

}  // namespace tsr::cuda
