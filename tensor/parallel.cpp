#include "tensor/parallel.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <mutex>
#include <sched.h>
#include <string>
#include <thread>
#include <vector>

#include "tensor/error.h"

namespace tsr {
namespace {

/// CPUs that the container's quota allows (cgroup v2, then v1), or a large number without one.
int quota_cpus() {
  double quota = -1, period = 0;
  if (std::ifstream file("/sys/fs/cgroup/cpu.max"); file) {
    std::string first;
    file >> first >> period;
    if (first != "max") quota = std::atof(first.c_str());
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? std::max(1, static_cast<int>(std::lround(quota / period))) : 1 << 20;
}

int default_threads() {
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    const int count = std::atoi(text);
    if (count >= 1) return std::min(count, 1024);
  }
  cpu_set_t set;
  int available = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0) available = CPU_COUNT(&set);
  return std::clamp(std::min(available, quota_cpus()), 1, 1024);
}

/// One parallel_for under way: chunks are claimed from a counter by whichever thread is free.
struct Job {
  RangeBody body;
  std::int64_t count, grain, chunks;
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr error;  // written once, by the thread that set `failed`

  void work() {
    for (;;) {
      const std::int64_t chunk = next.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= chunks) return;
      try {
        body(chunk * grain, std::min(count, (chunk + 1) * grain));
      } catch (...) {
        if (!failed.exchange(true)) error = std::current_exception();
      }
    }
  }
};

thread_local bool inside_parallel = false;

/// Tells the CPU that this thread only watches a value.
void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class Pool {
 public:
  static Pool& instance() {
    static Pool pool;
    return pool;
  }

  int threads() const { return threads_; }

  void resize(int threads) {
    std::lock_guard lock(run_mutex_);
    stop();
    threads_ = threads;
  }

  void run(Job& job) {
    std::unique_lock lock(run_mutex_, std::try_to_lock);
    if (!lock || threads_ == 1) {  // another thread has the pool: work alone
      inside_parallel = true;
      job.work();
      inside_parallel = false;
      return;
    }
    start();
    publish(job);
    inside_parallel = true;
    job.work();
    inside_parallel = false;
    // Whoever has not joined by now finds nothing left to do, and need not be waited for.
    std::unique_lock state(mutex_);
    job_ = nullptr;
    state.unlock();
    if (spin_until([&] { return active_ == 0; })) return;
    state.lock();
    done_.wait(state, [&] { return active_ == 0; });
  }

 private:
  Pool() : threads_(default_threads()) {}
  ~Pool() { stop(); }

  void start() {
    if (!workers_.empty()) return;
    stopping_ = false;
    spins_ = threads_ <= default_threads();
    for (int i = 1; i < threads_; ++i)
      workers_.emplace_back([this, seen = generation_.load()] { loop(seen); });
  }

  void stop() {
    {
      std::lock_guard state(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  void publish(Job& job) {
    bool asleep = false;
    {
      std::lock_guard state(mutex_);
      job_ = &job;
      ++generation_;
      asleep = sleeping_ > 0;
    }
    if (asleep) wake_.notify_all();
  }

  /// Small ops follow each other faster than a thread falls asleep and wakes up: tens of microseconds are
  /// worth watching for the next one. Not where threads outnumber the CPUs, as there one that watches keeps
  /// another from working.
  template <class Condition>
  bool spin_until(Condition&& holds) const {
    constexpr int kSpins = 2000;
    for (int i = spins_ ? kSpins : 1; i > 0; --i) {
      if (holds()) return true;
      pause_cpu();
    }
    return false;
  }

  void loop(std::uint64_t seen) {
    inside_parallel = true;
    const auto called = [&] { return stopping_ || generation_ != seen; };
    for (;;) {
      const bool awake = spin_until(called);
      std::unique_lock state(mutex_);
      if (!awake) {
        ++sleeping_;
        wake_.wait(state, called);
        --sleeping_;
      }
      if (stopping_) return;
      seen = generation_;
      Job* job = job_;
      if (job == nullptr) continue;  // done without this thread
      ++active_;
      state.unlock();
      job->work();
      state.lock();
      if (--active_ == 0) done_.notify_one();
    }
  }

  std::mutex run_mutex_;  // held by the thread whose job the pool is running
  std::mutex mutex_;      // held to change what follows; the atomics are watched without it
  std::condition_variable wake_, done_;
  Job* job_ = nullptr;
  std::atomic<std::uint64_t> generation_ = 0;
  std::atomic<int> active_ = 0;  // workers in the job
  int sleeping_ = 0;
  std::atomic<bool> stopping_ = false;
  bool spins_ = true;
  std::atomic<int> threads_;
  std::vector<std::thread> workers_;
};

}  // namespace

void parallel_for(std::int64_t count, std::int64_t grain, RangeBody body) {
  TSR_ASSERT(grain > 0);
  if (count <= 0) return;
  const std::int64_t chunks = (count + grain - 1) / grain;
  if (chunks == 1) return body(0, count);
  Job job{.body = body, .count = count, .grain = grain, .chunks = chunks, .error = nullptr};
  if (inside_parallel) {
    job.work();
  } else {
    Pool::instance().run(job);
  }
  if (job.error) std::rethrow_exception(job.error);
}

int thread_count() { return Pool::instance().threads(); }

void set_thread_count(int count) {
  TSR_CHECK(count >= 1 && count <= 1024, "threads: ", count, " given; choose 1 to 1024");
  TSR_CHECK(!inside_parallel, "threads: can't be changed from within parallel_for; set them before it");
  Pool::instance().resize(count);
}

}  // namespace tsr
