#pragma once
// Which stream an OS thread's ops use, for the emulator's streams and for a GPU's alike.

#include <utility>

namespace tsr {

template <class Stream>
inline thread_local Stream* chosen_stream = nullptr;

/// One stream of the program, unless a StreamScope says otherwise.
template <class Stream>
Stream& stream_of_thread() {
  static auto* own = new Stream;  // never destroyed: what outlives main may still wait for it
  return chosen_stream<Stream> != nullptr ? *chosen_stream<Stream> : *own;
}

/// Until its end, ops of this OS thread use the stream.
template <class Stream>
class StreamScopeOf {
 public:
  explicit StreamScopeOf(Stream& stream) : outer_(std::exchange(chosen_stream<Stream>, &stream)) {}
  ~StreamScopeOf() { chosen_stream<Stream> = outer_; }
  StreamScopeOf(const StreamScopeOf&) = delete;
  StreamScopeOf& operator=(const StreamScopeOf&) = delete;

 private:
  Stream* outer_;
};

}  // namespace tsr
