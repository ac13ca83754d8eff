// The emulator by itself: kernels written here, whose results and mistakes are known.
#include <algorithm>
#include <doctest/doctest.h>
#include <numeric>
#include <vector>

#define TSR_BACKEND emu
#include "cuda/kernel.h"
#include "tests/cuda/raises.h"

namespace tsr::emu {
namespace {

__global__ void coordinates_kernel(int* out) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] += static_cast<int>(1000 * block + thread);
}

TEST_CASE("every thread of every block runs once, and knows its place") {
  Stream stream;
  std::vector<int> out(2 * 3 * 2 * 5 * 3 * 2);
  launch<coordinates_kernel>({.grid = {2, 3, 2}, .block = {5, 3, 2}}, stream, out.data());
  for (std::size_t i = 0; i < out.size(); ++i) CHECK(out[i] == static_cast<int>(1000 * (i / 30) + i % 30));
}

/// Each block turns its part of x around, through shared memory.
__global__ void reverse_kernel(const int* x, int* y) {
  SHARED(int, tile, [1024]);
  const unsigned i = threadIdx.x, first = blockIdx.x * blockDim.x;
  tile[i] = x[first + i];
  __syncthreads();
  y[first + i] = tile[blockDim.x - 1 - i];
}

TEST_CASE("a barrier is one for the whole block") {
  Stream stream;
  for (unsigned threads : {1u, 31u, 32u, 33u, 257u, 1024u}) {
    std::vector<int> x(3 * threads), y(3 * threads);
    std::iota(x.begin(), x.end(), 0);
    for (std::uint64_t seed : {0, 1, 2}) {
      set_schedule_seed(seed);
      launch<reverse_kernel>({.grid = {3}, .block = {threads}}, stream, x.data(), y.data());
      for (unsigned i = 0; i < 3 * threads; ++i)
        REQUIRE(y[i] == static_cast<int>(i / threads * threads + threads - 1 - i % threads));
    }
    set_schedule_seed(0);
  }
}

__global__ void votes_kernel(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  const int odd = __syncthreads_count(i % 2), all = __syncthreads_and(i < 100),
            any = __syncthreads_or(i == 77);
  if (i == 0) out[0] = odd, out[1] = all, out[2] = any;
  const int none = __syncthreads_or(0), most = __syncthreads_and(i != 99);
  if (i == 99) out[3] = none, out[4] = most;
}

TEST_CASE("a barrier counts") {
  Stream stream;
  std::vector<int> out(5, -1);
  launch<votes_kernel>({.grid = {1}, .block = {100}}, stream, out.data());
  CHECK(out == std::vector<int>{50, 1, 1, 0, 0});
}

__global__ void shuffle_kernel(int* out) {
  const unsigned all = 0xffffffffu;
  const int lane = static_cast<int>(threadIdx.x % 32), value = 100 + lane;
  int* own = out + threadIdx.x * 8;
  own[0] = __shfl_sync(all, value, 5);
  own[1] = __shfl_sync(all, value, lane + 1, 8);
  own[2] = __shfl_up_sync(all, value, 3u);
  own[3] = __shfl_down_sync(all, value, 3u, 16);
  own[4] = __shfl_xor_sync(all, value, 16);
  own[5] = static_cast<int>(__ballot_sync(all, lane % 3 == 0));
  own[6] = __any_sync(all, lane == 31) + 2 * __all_sync(all, lane < 31);
  if (lane < 8) {
    own[7] = __shfl_xor_sync(0xffu, value, 1);
  } else {
    own[7] = static_cast<int>(__popc(__ballot_sync(0xffffff00u, 1)));
  }
}

TEST_CASE("shuffles and votes") {
  Stream stream;
  std::vector<int> out(64 * 8);
  for (std::uint64_t seed : {0, 3}) {
    set_schedule_seed(seed);
    launch<shuffle_kernel>({.grid = {1}, .block = {64}}, stream, out.data());
    for (int i = 0; i < 64; ++i) {
      const int lane = i % 32, *own = out.data() + i * 8;
      CHECK(own[0] == 105);
      CHECK(own[1] == 100 + lane / 8 * 8 + (lane + 1) % 8);
      CHECK(own[2] == 100 + (lane < 3 ? lane : lane - 3));
      CHECK(own[3] == 100 + (lane % 16 > 12 ? lane : lane + 3));
      CHECK(own[4] == 100 + (lane ^ 16));
      CHECK(static_cast<unsigned>(own[5]) == 0x49249249u);
      CHECK(own[6] == 1);
      CHECK(own[7] == (lane < 8 ? 100 + (lane ^ 1) : 24));
    }
  }
  set_schedule_seed(0);
}

__global__ void active_kernel(unsigned* out) {
  const unsigned lane = threadIdx.x;
  if (lane >= 28) return;
  if (lane % 2 == 0) {  // NOLINT(bugprone-branch-clone): each branch has its own mask
    out[lane] = __activemask();
  } else {
    out[lane] = __activemask();
  }
}

TEST_CASE("the active mask names the lanes of the same branch that have not returned") {
  Stream stream;
  std::vector<unsigned> out(32);
  launch<active_kernel>({.grid = {1}, .block = {32}}, stream, out.data());
  for (unsigned lane = 0; lane < 28; ++lane) CHECK(out[lane] == (lane % 2 == 0 ? 0x05555555u : 0x0aaaaaaau));
}

__global__ void atomics_kernel(int* counters, unsigned long long* sum) {
  atomicAdd(counters, 1);
  atomicMax(counters + 1, static_cast<int>(blockIdx.x));
  atomicMin(counters + 2, static_cast<int>(threadIdx.x) - 5);
  atomicAdd(sum, 1ull << 33);
  for (int seen = 0, old = -1; seen != old;) old = seen, seen = atomicCAS(counters + 3, old, old + 2);
}

TEST_CASE("atomics hold between blocks") {
  Stream stream;
  std::vector<int> counters(4);
  unsigned long long sum = 0;
  launch<atomics_kernel>({.grid = {100}, .block = {64}}, stream, counters.data(), &sum);
  CHECK(counters[0] == 6400);
  CHECK(counters[1] == 99);
  CHECK(counters[2] == -5);
  CHECK(sum == 6400ull << 33);
}

__global__ void dynamic_kernel(float* out) {
  DYN_SHARED(bytes);
  auto* values = reinterpret_cast<float*>(bytes);
  if (threadIdx.x == 0) out[blockIdx.x] = values[3];
  __syncthreads();
  values[threadIdx.x] = 1;
}

TEST_CASE("shared memory is poisoned before each block") {
  Stream stream;
  std::vector<float> out(40);
  launch<dynamic_kernel>({.grid = {40}, .block = {16}, .shared_bytes = 64}, stream, out.data());
  CHECK(std::all_of(out.begin(), out.end(), [](float x) { return std::isnan(x); }));
}

// ---- mistakes ----

__global__ void early_return_kernel(int* out) {
  if (threadIdx.x == 3) return;
  __syncthreads();
  out[threadIdx.x] = 1;
}
__global__ void two_barriers_kernel(int* out) {
  if (threadIdx.x < 16) {  // NOLINT(bugprone-branch-clone): each branch has its own barrier
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 1;
}
__global__ void absent_lane_kernel(int* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
}
__global__ void foreign_mask_kernel(int* out) { out[threadIdx.x] = __shfl_sync(0xfu, 1, 0); }
__global__ void mixed_kernel(int* out) {
  out[threadIdx.x] = threadIdx.x % 2 == 0 ? __shfl_sync(0xffffffffu, 1, 0) : __any_sync(0xffffffffu, 1);
}
__global__ void crossed_kernel(int* out) {
  if (threadIdx.x < 32) __syncwarp(threadIdx.x < 16 ? 0xffffffffu : 0xfffffffeu);
  out[threadIdx.x] = 1;
}
__global__ void overrun_kernel(int* out) {
  SHARED(int, tile, [32]);
  int* const next =
      tile + 1;  // through a pointer: the compiler's own check of an array's bounds sees nothing
  next[threadIdx.x] = 0;
  out[threadIdx.x] = 1;
}
__global__ void much_shared_kernel(int* out) {
  SHARED(int, tile, [13000]);
  out[threadIdx.x] = tile[0];
}

TEST_CASE("a kernel's mistake names kernel, block, thread and line") {
  Stream stream;
  std::vector<int> out(32);
  const LaunchShape one{.grid = {1}, .block = {32}};
  CHECK_RAISES(launch<early_return_kernel>(one, stream, out.data()), "early_return_kernel", "block (0, 0, 0)",
               "thread (3, 0, 0)", "tests/cuda/emulator_test.cpp:", "returned while 3 wait there");
  CHECK_RAISES(launch<two_barriers_kernel>(one, stream, out.data()), "thread (16, 0, 0)", "another barrier");
  CHECK_RAISES(launch<absent_lane_kernel>(one, stream, out.data()), "thread (16, 0, 0)", "__shfl_xor_sync",
               "mask 0xffffffff of that call names its lane");
  CHECK_RAISES(launch<foreign_mask_kernel>(one, stream, out.data()),
               "mask 0xf does not name the calling lane 4");
  CHECK_RAISES(launch<mixed_kernel>(one, stream, out.data()), "__any_sync", "are at __shfl_sync");
  CHECK_RAISES(launch<crossed_kernel>(one, stream, out.data()), "nobody can go on", "waits at __syncwarp");
  CHECK_RAISES(launch<overrun_kernel>(one, stream, out.data()), "wrote beyond the end of tile");
  CHECK_RAISES(launch<much_shared_kernel>(one, stream, out.data()), "tile: 52000 bytes",
               "the limit is 49152");
  CHECK_RAISES(launch<overrun_kernel>({.grid = {1}, .block = {1025}}, stream, out.data()), "1 to 1024");
  CHECK_RAISES(
      launch<overrun_kernel>({.grid = {1}, .block = {32}, .shared_bytes = 200000}, stream, out.data()),
      "200000 bytes of dynamic shared memory");
  // and afterwards all is well
  std::vector<int> x{1, 2, 3}, y(3);
  launch<reverse_kernel>({.grid = {1}, .block = {3}}, stream, x.data(), y.data());
  CHECK(y == std::vector<int>{3, 2, 1});
}

// ---- streams ----

__global__ void add_kernel(int* x, int number) { *x += number; }
__global__ void double_kernel(int* x) { *x *= 2; }

TEST_CASE("a delayed stream runs when somebody waits, in order; events order two streams") {
  set_delayed_streams(true);
  Stream first, second;
  int x = 1, seen = 0;
  launch<add_kernel>({.grid = {1}, .block = {1}}, first, &x, 2);
  CHECK(x == 1);
  Event event;
  event.record(first);
  launch<double_kernel>({.grid = {1}, .block = {1}}, first, &x);
  event.block(second);
  copy_async(&seen, &x, sizeof x, second);
  CHECK(seen == 0);
  second.synchronize();
  CHECK(seen == 3);  // the mark was reached, and nothing that came after it has run
  first.synchronize();
  CHECK(x == 6);
  set_delayed_streams(false);
}

TEST_CASE("delayed streams may wait for each other") {
  set_delayed_streams(true);
  Stream first, second;
  int x = 1;
  Event added, doubled;
  launch<add_kernel>({.grid = {1}, .block = {1}}, first, &x, 2);
  added.record(first);
  added.block(second);
  launch<double_kernel>({.grid = {1}, .block = {1}}, second, &x);
  doubled.record(second);
  doubled.block(first);
  launch<add_kernel>({.grid = {1}, .block = {1}}, first, &x, 5);
  second.synchronize();
  CHECK(x == 6);
  first.synchronize();
  CHECK(x == 11);
  set_delayed_streams(false);
}

TEST_CASE("ops use the stream of the innermost scope") {
  Stream outer, inner;
  Stream& own = current_stream();
  {
    const StreamScope a(outer);
    CHECK(&current_stream() == &outer);
    {
      const StreamScope b(inner);
      CHECK(&current_stream() == &inner);
    }
    CHECK(&current_stream() == &outer);
  }
  CHECK(&current_stream() == &own);
}

TEST_CASE("launches are counted by kernel") {
  Stream stream;
  int x = 0;
  const std::size_t all = launch_count(), adds = launch_count("tsr::emu::{anonymous}::add_kernel");
  for (int i = 0; i < 3; ++i) launch<add_kernel>({.grid = {1}, .block = {1}}, stream, &x, 1);
  CHECK(launch_count() - all == 3);
  CHECK(x == 3);
  CHECK(launch_count(kernel_name<add_kernel>()) - adds >= 3);
}

}  // namespace
}  // namespace tsr::emu
