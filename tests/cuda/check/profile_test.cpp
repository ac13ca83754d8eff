// Kernels whose sectors, bank conflicts and meetings can be counted by hand, and are.
#include <doctest/doctest.h>
#include <sstream>

#define TSR_BACKEND emu
#include "bench/profile/report.h"
#include "cuda/check/profile.h"
#include "cuda/ptx.h"
#include "tests/cuda/check/on_device.h"

namespace tsr::emu {
namespace {

/// Its lines are told below.
__global__ void report_kernel(const float* x, float* y) {
  SHARED(float, tile, [64]);
  tile[threadIdx.x * 2] = x[threadIdx.x * 8];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x * 2];
}

using check::KernelProfile;
using check::Kind;
using check::Meeting;
using check::Memory;
using check::Traffic;

template <auto kernel, class... Arguments>
KernelProfile profile_of(const LaunchShape& shape, const Arguments&... arguments) {
  check::begin_profile();
  const std::string finding = finding_of<kernel>(shape, arguments...);
  const auto profiles = check::end_profile();
  REQUIRE(finding == "");
  REQUIRE(profiles.size() == 1);
  return profiles.front();
}

/// accesses, bytes, requests, transactions, ideal, worst
std::string numbers(const Traffic& t) {
  return text(t.accesses, ' ', t.bytes, ' ', t.requests, ' ', t.transactions, ' ', t.ideal, ' ', t.worst);
}
std::string numbers(const KernelProfile& profile, Memory memory, Kind kind) {
  return numbers(profile.total(memory, kind));
}

// ---- global memory ----

/// y[i] = x[i·step + shift]
template <class T>
__global__ void copy_kernel(const T* x, T* y, unsigned step, unsigned shift) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i * step + shift];
}

/// What 64 threads load, in two warps; the stores stay side by side.
template <class T>
std::string loads(unsigned step, unsigned shift) {
  const DeviceBytes x(64 * 16 * sizeof(T)), y(64 * sizeof(T));
  const auto profile =
      profile_of<copy_kernel<T>>({.grid = {2}, .block = {32}}, x.as<T>(), y.as<T>(), step, shift);
  const Traffic stores = profile.total(Memory::global, Kind::write);
  CHECK(stores.transactions == stores.ideal);
  return numbers(profile, Memory::global, Kind::read);
}

TEST_CASE("sectors of a warp's loads") {
  CHECK(loads<float>(1, 0) == "64 256 2 8 8 4");
  CHECK(loads<unsigned short>(1, 0) == "64 128 2 4 4 2");
  CHECK(loads<unsigned char>(1, 0) == "64 64 2 2 2 1");
  CHECK(loads<double>(1, 0) == "64 512 2 16 16 8");
  CHECK(loads<float4>(1, 0) == "64 1024 2 32 32 16");
  CHECK(loads<float>(2, 0) == "64 256 2 16 8 8");
  CHECK(loads<float>(8, 0) == "64 256 2 64 8 32");
  CHECK(loads<float>(16, 0) == "64 256 2 64 8 32");
  CHECK(loads<float>(1, 1) == "64 256 2 10 8 5");  // each warp's 128 bytes begin 4 behind a sector
  CHECK(loads<float>(0, 3) == "64 256 2 2 2 1");   // one element for all
}

__global__ void loop_kernel(const float* x, float* y, unsigned n) {
  float sum = 0;
  for (unsigned i = threadIdx.x; i < n; i += blockDim.x) sum += x[i];
  if (threadIdx.x % 2 == 0) y[threadIdx.x] = sum;
}

TEST_CASE("turns of a loop are requests of their own, by the lanes that take part") {
  const DeviceBytes x(400), y(128);
  const auto profile =
      profile_of<loop_kernel>({.grid = {1}, .block = {32}}, x.as<float>(), y.as<float>(), 100u);
  CHECK(numbers(profile, Memory::global, Kind::read) == "100 400 4 13 13 4");
  CHECK(numbers(profile, Memory::global, Kind::write) == "16 64 1 4 2 4");
}

__global__ void count_kernel(int* counter) { atomicAdd(counter + threadIdx.x / 32 * 8, 1); }

TEST_CASE("an atomic function is one access") {
  const DeviceBytes counter(64);
  const auto profile = profile_of<count_kernel>({.grid = {1}, .block = {64}}, counter.as<int>());
  CHECK(numbers(profile, Memory::global, Kind::atomic) == "64 256 2 2 2 1");
  CHECK(numbers(profile, Memory::global, Kind::read) == "0 0 0 0 0 0");
  CHECK(numbers(profile, Memory::global, Kind::write) == "0 0 0 0 0 0");
}

// ---- shared memory ----

/// The threads' words lie `step` apart.
template <class T>
__global__ void bank_kernel(unsigned step, unsigned size) {
  DYN_SHARED(bytes);
  T* tile = reinterpret_cast<T*>(bytes);
  tile[threadIdx.x * step % size] = T{};
}

template <class T>
std::string banks(unsigned step) {
  const auto profile =
      profile_of<bank_kernel<T>>({.grid = {1}, .block = {32}, .shared_bytes = 64 << 10}, step, 4096u);
  return numbers(profile, Memory::shared, Kind::write);
}

TEST_CASE("bank conflicts of a warp") {
  CHECK(banks<float>(1) == "32 128 1 1 1 1");
  CHECK(banks<float>(2) == "32 128 1 2 1 2");
  CHECK(banks<float>(4) == "32 128 1 4 1 4");
  CHECK(banks<float>(8) == "32 128 1 8 1 8");
  CHECK(banks<float>(32) == "32 128 1 32 1 32");
  CHECK(banks<float>(33) == "32 128 1 1 1 1");
  CHECK(banks<float>(0) == "32 128 1 1 1 1");         // one word
  CHECK(banks<unsigned char>(1) == "32 32 1 1 1 1");  // four threads a word
  CHECK(banks<unsigned short>(2) == "32 64 1 1 1 1");
  CHECK(banks<unsigned short>(4) == "32 64 1 2 1 2");
  CHECK(banks<double>(1) == "32 256 1 2 2 2");  // half a warp at once
  CHECK(banks<double>(2) == "32 256 1 4 2 4");
  CHECK(banks<double>(16) == "32 256 1 32 2 32");
  CHECK(banks<float4>(1) == "32 512 1 4 4 4");  // a quarter
  CHECK(banks<float4>(2) == "32 512 1 8 4 8");
  CHECK(banks<float4>(8) == "32 512 1 32 4 32");
}

template <unsigned width>
__global__ void transpose_kernel(const float* x, float* y) {
  SHARED(float, tile, [32][width]);
  for (unsigned row = threadIdx.y; row < 32; row += blockDim.y)
    tile[row][threadIdx.x] = x[row * 32 + threadIdx.x];
  __syncthreads();
  for (unsigned row = threadIdx.y; row < 32; row += blockDim.y)
    y[row * 32 + threadIdx.x] = tile[threadIdx.x][row];
}

TEST_CASE("a padded tile has no conflicts") {
  const DeviceBytes x(4096), y(4096);
  const auto plain =
      profile_of<transpose_kernel<32>>({.grid = {1}, .block = {32, 4}}, x.as<float>(), y.as<float>());
  CHECK(numbers(plain, Memory::shared, Kind::write) == "1024 4096 32 32 32 1");
  CHECK(numbers(plain, Memory::shared, Kind::read) == "1024 4096 32 1024 32 32");
  CHECK(numbers(plain, Memory::global, Kind::read) == "1024 4096 32 128 128 4");
  const auto padded =
      profile_of<transpose_kernel<33>>({.grid = {1}, .block = {32, 4}}, x.as<float>(), y.as<float>());
  CHECK(numbers(padded, Memory::shared, Kind::read) == "1024 4096 32 32 32 1");
}

// ---- meetings ----

__global__ void meetings_kernel(const float* x, float* y) {
  float sum = x[threadIdx.x];
  for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  __syncthreads();
  if (threadIdx.x < 8) __syncwarp(0xffu);
  __syncthreads();
  y[threadIdx.x] = sum;
}

TEST_CASE("barriers count once a block, collectives once a warp") {
  const DeviceBytes x(256), y(256);
  const auto profile =
      profile_of<meetings_kernel>({.grid = {3}, .block = {64}}, x.as<float>(), y.as<float>());
  CHECK(profile.launches == 1);
  CHECK(profile.blocks == 3);
  CHECK(profile.threads == 192);
  CHECK(profile.total(Meeting::barrier) == 6);
  CHECK(profile.total(Meeting::collective) == 33);  // 5 shuffles of 6 warps, and 3 of __syncwarp
  CHECK(profile.total(Meeting::tensor_core) == 0);
  CHECK(check::meeting_of("__syncthreads_or") == Meeting::barrier);
  CHECK(check::meeting_of("mma_m16n8k16") == Meeting::tensor_core);
}

/// Fragments of 32 x 16 and 16 x 16 numbers, rows `width` apart, and their four products.
__global__ void tensor_core_kernel(const Float16* x, float* y, int width) {
  DYN_SHARED(bytes);
  auto* tile = reinterpret_cast<Float16*>(bytes);
  const int lane = static_cast<int>(threadIdx.x);
  cp_async<16>(tile + lane * width, x + lane * 16);
  cp_async<16>(tile + lane * width + 8, x + lane * 16 + 8);
  cp_async_commit();
  cp_async_wait<0>();
  __syncwarp();
  FragmentA<Float16> a[2];
  FragmentB<Float16> b[2];
  FragmentC c[2][2];
  const LaneSource row_a = FragmentA<Float16>::source(lane), row_b = FragmentB<Float16>::source(lane);
  ldmatrix_x4(a, [&](int i) { return tile + (16 * i + row_a.row) * width + 8 * row_a.half; });
  ldmatrix_x4(b, [&](int) { return tile + row_b.row * width + 8 * row_b.half; });
  mma(c, a, b);
  y[lane] = c[1][1].value[0];
}

TEST_CASE("tensor-core instructions, and the shared memory that feeds them") {
  const DeviceBytes x(32 * 16 * 2), y(128);
  const auto profile = profile_of<tensor_core_kernel>({.grid = {1}, .block = {32}, .shared_bytes = 32 * 128},
                                                      x.as<Float16>(), y.as<float>(), 64);
  CHECK(profile.total(Meeting::tensor_core) == 4);
  CHECK(profile.total(Meeting::collective) == 4);  // __syncwarp and three ldmatrix
  // each copy reads half a sector of every row
  CHECK(numbers(profile, Memory::global, Kind::read) == "64 1024 2 64 32 32");
  // rows 128 bytes apart: the 8 of a matrix lie in the same banks
  CHECK(numbers(profile, Memory::shared, Kind::read) == "96 1536 3 96 12 32");
  CHECK(numbers(profile, Memory::shared, Kind::write) == "64 1024 2 64 8 32");
  const auto padded = profile_of<tensor_core_kernel>({.grid = {1}, .block = {32}, .shared_bytes = 32 * 48},
                                                     x.as<Float16>(), y.as<float>(), 24);
  CHECK(numbers(padded, Memory::shared, Kind::read) == "96 1536 3 12 12 4");
}

__global__ void divergent_kernel(const float* x, float* y) {
  const unsigned mask = threadIdx.x < 16 ? 0xffffu : 0xffff0000u;
  for (int turn = 0; turn < 2; ++turn) {
    __syncwarp(mask);
    y[threadIdx.x] += x[threadIdx.x];
  }
}

TEST_CASE("half a warp that meets does not split its requests") {
  const DeviceBytes x(128), y(128);
  const auto profile =
      profile_of<divergent_kernel>({.grid = {1}, .block = {32}}, x.as<float>(), y.as<float>());
  CHECK(numbers(profile, Memory::global, Kind::read) == "128 512 4 16 16 4");
  CHECK(numbers(profile, Memory::global, Kind::write) == "64 256 2 8 8 4");
}

// ---- reports ----

std::vector<KernelProfile> report() {
  const DeviceBytes x(1024), y(128);
  check::begin_profile();
  for (int i = 0; i < 2; ++i)
    finding_of<report_kernel>({.grid = {1}, .block = {32}}, x.as<float>(), y.as<float>());
  finding_of<copy_kernel<float>>({.grid = {1}, .block = {32}}, x.as<float>(), y.as<float>(), 1u, 0u);
  return check::end_profile();
}

TEST_CASE("the table has a row a kernel") {
  std::ostringstream out;
  bench::print_kernels(out, report());
  CHECK(out.str() == R"(                     global loads            global stores            shared memory
launches     blocks      bytes sectors ideal      bytes sectors ideal      bytes   waves ideal  barriers  collectives  tensor core  kernel
       2          2      256 B    32.0   4.0      256 B     4.0   4.0      512 B     2.0   1.0         2            0            0  report_kernel
       1          1      128 B     4.0   4.0      128 B     4.0   4.0          -       -     -         0            0            0  copy_kernel<float>
sectors (32 bytes) and waves (one word a bank): a warp's request needs so many; ideal is the fewest for its bytes
)");
}

TEST_CASE("lines are told with their source, the busiest first") {
  std::ostringstream out;
  bench::print_lines(out, {report().front()}, TESSERA_SOURCE_DIR);
  CHECK(out.str() == R"(
report_kernel
  what                 by warps  each / ideal / worst
  global load                 2       32.0 / 4.0 / 32  tests/cuda/check/profile_test.cpp:17  tile[threadIdx.x * 2] = x[threadIdx.x * 8];
  global store                2         4.0 / 4.0 / 4  tests/cuda/check/profile_test.cpp:19  y[threadIdx.x] = tile[threadIdx.x * 2];
  shared store                2         2.0 / 1.0 / 2  tests/cuda/check/profile_test.cpp:17  tile[threadIdx.x * 2] = x[threadIdx.x * 8];
  shared load                 2         2.0 / 1.0 / 2  tests/cuda/check/profile_test.cpp:19  y[threadIdx.x] = tile[threadIdx.x * 2];
  __syncthreads               2                        tests/cuda/check/profile_test.cpp:18  __syncthreads();
)");
}

TEST_CASE("programs read JSON") {
  const auto profile = bench::to_json(report()).at(0);
  CHECK(profile.at("kernel") == "emu::{anonymous}::report_kernel");
  CHECK(profile.at("launches") == 2);
  CHECK(profile.at("global").at("load").at("transactions") == 64);
  CHECK(profile.at("shared").at("store").at("worst") == 2);
  CHECK(profile.at("barriers") == 2);
  CHECK(profile.at("lines").size() == 4);
  CHECK(profile.at("lines").at(0).at("source") == "tests/cuda/check/profile_test.cpp:17");
  CHECK(profile.at("meetings").at(0).at("call") == "__syncthreads");
}

}  // namespace
}  // namespace tsr::emu
