// Broken kernels beside their correct twins: each broken one must be told its kernel, block, thread, line and
// kind, each twin nothing.
#include <doctest/doctest.h>
#include <set>

#define TSR_BACKEND emu
#include "cuda/check/finding.h"
#include "tests/cuda/check/broken_kernels.h"
#include "tests/cuda/check/on_device.h"

namespace tsr::emu {
namespace {

__global__ void read_kernel(const int* x, int* y) { y[threadIdx.x] = x[threadIdx.x]; }

TEST_CASE("memory that was given back is out of bounds") {
  const DeviceBytes y(128);
  int* gone = nullptr;
  {
    const DeviceBytes x(128);
    gone = x.as<int>();
    CHECK(finding_of<read_kernel>({.grid = {1}, .block = {32}}, gone, y.as<int>()) == "");
  }
  CHECK(finding_of<read_kernel>({.grid = {1}, .block = {32}}, gone, y.as<int>()) ==
        "emu: emu::{anonymous}::read_kernel, block (0, 0, 0), thread (0, 0, 0), "
        "tests/cuda/check/findings_test.cpp:14: "
        "out of bounds: 4 bytes of device memory outside an allocation");
}

TEST_CASE("device memory that the host touches is told with the host's line") {
  const DeviceBytes x(128), y(128);
  CHECK(check::take_host_accesses().empty());
  x.as<int>()[3] = 1;
  finding_of<read_kernel>({.grid = {1}, .block = {32}}, x.as<int>(), y.as<int>());
  const int seen = y.as<int>()[3];
  CHECK(seen == 1);
  const std::string message =
      ": device memory touched outside a launch or transfer; copy it with to(Device::cpu)";
  const std::vector<std::string> found = check::take_host_accesses();
  REQUIRE(found.size() == 2);
  CHECK(found[0] == "emu: host, tests/cuda/check/findings_test.cpp:33" + message);
  CHECK(found[1] == "emu: host, tests/cuda/check/findings_test.cpp:35" + message);
  CHECK(check::take_host_accesses().empty());
}

struct KernelPair {
  const char* kernel;
  std::string (*run_broken)(const LaunchShape&, int*);
  std::string (*run_correct)(const LaunchShape&, int*);
  LaunchShape shape;
  const char* finding;  ///< the beginning of the broken one's, behind the kernel's name
};

template <auto kernel>
std::string run(const LaunchShape& shape, int* x) {
  return finding_of<kernel>(shape, x);
}
#define PAIR(kernel) #kernel, &run < &broken::kernel < true>>, &run < &broken::kernel < false>>

// clang-format off
const KernelPair kPairs[] = {
    {PAIR(barrier_in_a_branch), {{1}, {64}},
     "block (0, 0, 0), thread (50, 0, 0), tests/cuda/check/broken_kernels.h:18: __syncthreads: this thread returned while 50 wait there"},
    {PAIR(barriers_apart), {{1}, {64}},
     "block (0, 0, 0), thread (32, 0, 0), tests/cuda/check/broken_kernels.h:26: __syncthreads: other threads wait at another barrier, tests/cuda/check/broken_kernels.h:28"},
    {PAIR(barrier_in_a_loop), {{1}, {64}},
     "block (0, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:37: __syncthreads: this thread returned while 1 wait there"},
    {PAIR(shuffle_with_the_gone), {{1}, {32}},
     "block (0, 0, 0), thread (20, 0, 0), tests/cuda/check/broken_kernels.h:47: __shfl_sync: this thread returned, though mask 0xffffffff of that call names its lane"},
    {PAIR(ballot_without_the_caller), {{1}, {32}},
     "block (0, 0, 0), thread (16, 0, 0), tests/cuda/check/broken_kernels.h:53: __ballot_sync: mask 0xffff does not name the calling lane 16"},
    {PAIR(lanes_at_two_functions), {{1}, {32}},
     "block (0, 0, 0), thread (1, 0, 0), tests/cuda/check/broken_kernels.h:60: __any_sync: other lanes of mask 0xffffffff are at __all_sync, tests/cuda/check/broken_kernels.h:62"},
    {PAIR(warp_torn_apart), {{1}, {64}},
     "block (0, 0, 0): nobody can go on: thread (0, 0, 0) waits at __syncthreads in tests/cuda/check/broken_kernels.h:70; thread (40, 0, 0) waits at __syncwarp in tests/cuda/check/broken_kernels.h:69"},
    {PAIR(read_before_the_barrier), {{1}, {64}},
     "block (0, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:80: unwritten: reads shared memory that nobody wrote in this block"},
    {PAIR(count_from_nothing), {{1}, {64}},
     "block (0, 0, 0), thread (63, 0, 0), tests/cuda/check/broken_kernels.h:88: unwritten: reads shared memory"},
    {PAIR(last_block_s_memory), {{2}, {32}, 128},
     "block (1, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:98: unwritten: reads shared memory"},
    {PAIR(beyond_a_tile), {{1}, {64}},
     "block (0, 0, 0), thread (63, 0, 0), tests/cuda/check/broken_kernels.h:106: out of bounds: 4 bytes of shared memory beyond a variable"},
    {PAIR(beyond_dynamic_memory), {{1}, {64}, 256},
     "block (0, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:113: out of bounds: 4 bytes of shared memory beyond a variable"},
    {PAIR(between_two_tiles), {{1}, {32}},
     "block (0, 0, 0), thread (31, 0, 0), tests/cuda/check/broken_kernels.h:123: out of bounds: 4 bytes of shared memory beyond a variable"},
    {PAIR(behind_an_allocation), {{1}, {64}},
     "block (0, 0, 0), thread (63, 0, 0), tests/cuda/check/broken_kernels.h:128: out of bounds: 4 bytes of device memory outside an allocation"},
    {PAIR(before_an_allocation), {{1}, {32}},
     "block (0, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:134: out of bounds: 4 bytes of device memory outside an allocation"},
    {PAIR(half_a_vector), {{1}, {32}},
     "block (0, 0, 0), thread (16, 0, 0), tests/cuda/check/broken_kernels.h:140: out of bounds: 16 bytes of device memory outside an allocation"},
    {PAIR(odd_vector), {{1}, {32}},
     "block (0, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:147: misaligned: 16 bytes at an address that is no multiple of 16"},
    {PAIR(odd_vector_in_a_tile), {{1}, {8, 4}, 1024},
     "block (0, 0, 0), thread (7, 3, 0), tests/cuda/check/broken_kernels.h:157: misaligned: 8 bytes at an address that is no multiple of 8"},
    {PAIR(two_writers), {{1}, {64}},
     "block (0, 0, 0), thread (1, 0, 0), tests/cuda/check/broken_kernels.h:165: race: writes what thread 0 wrote in tests/cuda/check/broken_kernels.h:165"},
    {PAIR(overwritten_too_early), {{1}, {64}},
     "block (0, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:174: race: reads what thread 63 wrote in tests/cuda/check/broken_kernels.h:172"},
    {PAIR(warp_reads_too_early), {{1}, {32}},
     "block (0, 0, 0), thread (15, 0, 0), tests/cuda/check/broken_kernels.h:184: race: writes what thread 16 read in tests/cuda/check/broken_kernels.h:186"},
    {PAIR(warp_writes_too_early), {{1}, {32}},
     "block (0, 0, 0), thread (15, 0, 0), tests/cuda/check/broken_kernels.h:194: race: reads what thread 16 wrote in tests/cuda/check/broken_kernels.h:196"},
    {PAIR(warps_without_a_barrier), {{1}, {64}},
     "block (0, 0, 0), thread (32, 0, 0), tests/cuda/check/broken_kernels.h:204: race: writes what thread 0 read in tests/cuda/check/broken_kernels.h:210"},
    {PAIR(blocks_write_one_place), {{2}, {32}},
     "block (1, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:215: race: writes what block 0 wrote in tests/cuda/check/broken_kernels.h:215"},
    {PAIR(block_reads_its_neighbour), {{2}, {32}},
     "block (1, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:221: race: reads what block 0 wrote in tests/cuda/check/broken_kernels.h:221"},
    {PAIR(counter_without_atomics), {{1}, {64}},
     "block (0, 0, 0), thread (1, 0, 0), tests/cuda/check/broken_kernels.h:227: race: reads what thread 0 wrote in tests/cuda/check/broken_kernels.h:227"},
    {PAIR(looks_at_a_counter), {{1}, {64}},
     "block (0, 0, 0), thread (63, 0, 0), tests/cuda/check/broken_kernels.h:237: race: reads what another thread wrote in tests/cuda/check/broken_kernels.h:235"},
    {PAIR(copy_not_waited_for), {{1}, {64}},
     "block (0, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:248: touches what an asynchronous copy of thread 0 may still be writing"},
    {PAIR(copy_of_another_thread), {{1}, {64}},
     "block (0, 0, 0), thread (1, 0, 0), tests/cuda/check/broken_kernels.h:258: race: reads what thread 0 wrote"},
    {PAIR(copy_overwritten), {{1}, {64}},
     "block (0, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:267: touches what an asynchronous copy of thread 0 may still be writing"},
    {PAIR(copy_from_beyond), {{1}, {32}},
     "block (0, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:273: out of bounds: 4 bytes of device memory outside an allocation"},
    {PAIR(copy_over_what_others_read), {{1}, {64}},
     "block (0, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:284: race: reads what thread 63 wrote in tests/cuda/check/broken_kernels.h:282"},
    {PAIR(rows_of_other_lanes), {{1}, {32}},
     "block (0, 0, 0), thread (0, 0, 0), tests/cuda/check/broken_kernels.h:296: unwritten: reads shared memory"},
    {PAIR(rows_beyond_a_tile), {{1}, {32}},
     "block (0, 0, 0), thread (15, 0, 0), tests/cuda/check/broken_kernels.h:306: out of bounds: 16 bytes of shared memory beyond a variable"},
};
// clang-format on

TEST_CASE("broken kernels are told, their twins are clean") {
  for (const KernelPair& pair : kPairs) {
    const DeviceBytes x(256);
    const std::string expected = text("emu: emu::broken::", pair.kernel, "<true>, ", pair.finding);
    const std::string found = pair.run_broken(pair.shape, x.as<int>());
    CHECK_MESSAGE(found.starts_with(expected), "expected: ", expected, "\n   found: ", found);
    CHECK(pair.run_correct(pair.shape, x.as<int>()) == "");
  }
}

}  // namespace
}  // namespace tsr::emu
