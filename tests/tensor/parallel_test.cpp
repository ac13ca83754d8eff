// The thread pool: chunks, nesting, exceptions, several callers.
#include "tensor/parallel.h"

#include <atomic>
#include <doctest/doctest.h>
#include <thread>
#include <vector>

#include "tensor/error.h"

namespace tsr {
namespace {

/// Sets the number of threads for a scope.
struct Threads {
  explicit Threads(int count) { set_thread_count(count); }
  ~Threads() { set_thread_count(before); }
  const int before = thread_count();
};

TEST_CASE("every index is visited once, in chunks that only count and grain decide") {
  for (int threads : {1, 2, 7}) {
    const Threads scope(threads);
    for (std::int64_t count : {0, 1, 9, 10, 11, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
      std::atomic<bool> even{true};
      parallel_for(count, 10, [&](std::int64_t begin, std::int64_t end) {
        if (begin % 10 != 0 || end != std::min(begin + 10, count)) even = false;
        for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
      });
      CHECK(even);
      for (auto& visit : visits) REQUIRE(visit == 1);
    }
  }
}

TEST_CASE("a nested loop runs inline and sees every index") {
  const Threads scope(3);
  std::atomic<int> total{0}, strangers{0};
  parallel_for(20, 1, [&](std::int64_t, std::int64_t) {
    const auto self = std::this_thread::get_id();
    parallel_for(50, 7, [&](std::int64_t begin, std::int64_t end) {
      total += static_cast<int>(end - begin);
      if (std::this_thread::get_id() != self) ++strangers;
    });
  });
  CHECK(total == 1000);
  CHECK(strangers == 0);
}

TEST_CASE("an exception arrives at the caller, and the pool still works") {
  const Threads scope(3);
  for (int round = 0; round < 20; ++round) {
    CHECK_THROWS_WITH_AS(parallel_for(100, 1,
                                      [](std::int64_t begin, std::int64_t) {
                                        TSR_CHECK(begin != 57, "chunk ", begin, " failed");
                                      }),
                         "chunk 57 failed", Error);
    CHECK_THROWS_AS(parallel_for(10, 1,
                                 [](std::int64_t, std::int64_t) {
                                   parallel_for(10, 1,
                                                [](std::int64_t, std::int64_t) { throw Error("inner"); });
                                 }),
                    Error);
    std::atomic<int> total{0};
    parallel_for(100, 3,
                 [&](std::int64_t begin, std::int64_t end) { total += static_cast<int>(end - begin); });
    CHECK(total == 100);
  }
}

TEST_CASE("several threads may call at once") {
  const Threads scope(3);
  std::atomic<std::int64_t> total{0};
  std::vector<std::thread> callers;
  callers.reserve(4);
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round)
        parallel_for(64, 5, [&](std::int64_t begin, std::int64_t end) { total += end - begin; });
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(total == 4 * 200 * 64);
}

TEST_CASE("the number of threads can be asked for inside, and changed outside only") {
  const Threads scope(2);
  std::atomic<int> seen{0};
  parallel_for(4, 1, [&](std::int64_t, std::int64_t) { seen += thread_count(); });
  CHECK(seen == 8);
  CHECK_THROWS_WITH_AS(parallel_for(4, 1, [](std::int64_t, std::int64_t) { set_thread_count(1); }),
                       "threads: can't be changed from within parallel_for; set them before it", Error);
  CHECK_THROWS_WITH_AS(set_thread_count(0), "threads: 0 given; choose 1 to 1024", Error);
  CHECK_THROWS_AS(set_thread_count(1025), Error);
}

}  // namespace
}  // namespace tsr
