#include "cuda/runtime/stream.h"

#include <utility>

#include "cuda/runtime/check.h"
#include "tensor/error.h"

namespace tsr::cuda {
namespace {

thread_local Stream* chosen = nullptr;

}  // namespace

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

Stream& current_stream() {
  static auto* own = new Stream;  // never destroyed: the driver may be gone before static objects are
  return chosen != nullptr ? *chosen : *own;
}

StreamScope::StreamScope(Stream& stream) : outer_(std::exchange(chosen, &stream)) {}
StreamScope::~StreamScope() { chosen = outer_; }

void copy_async(void* to, const void* from, std::size_t bytes, Stream& stream) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream.handle()), "cudaMemcpyAsync");
}

}  // namespace tsr::cuda
