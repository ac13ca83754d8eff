#pragma once
// parallel_for over our own small thread pool.

#include <cstdint>
#include <type_traits>

namespace tsr {

/// A non-owning reference to a callable void(begin, end); valid for the duration of the call it is passed to.
class RangeBody {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, RangeBody>) RangeBody(F&& body)
      : object_(const_cast<void*>(static_cast<const void*>(&body))),
        call_([](void* object, std::int64_t begin, std::int64_t end) {
          (*static_cast<std::remove_reference_t<F>*>(object))(begin, end);
        }) {}
  void operator()(std::int64_t begin, std::int64_t end) const { call_(object_, begin, end); }

 private:
  void* object_;
  void (*call_)(void*, std::int64_t, std::int64_t);
};

/// Runs body(begin, end) over [0, count) cut into chunks of `grain` (the last may be shorter), on the pool's
/// threads and the caller's. Chunks depend on count and grain alone, never on the number of threads, so a
/// kernel that writes per chunk gives the same bits at any thread count. A nested call runs inline, chunk by
/// chunk. The first exception thrown by a chunk is rethrown here.
void parallel_for(std::int64_t count, std::int64_t grain, RangeBody body);

/// Threads that parallel_for uses (the caller included), at least 1.
int thread_count();

/// Sets it; throws Error unless 1 ≤ count ≤ 1024. Default: OMP_NUM_THREADS, else the affinity mask capped by
/// the container's CPU quota.
void set_thread_count(int count);

}  // namespace tsr
