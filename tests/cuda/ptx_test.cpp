// The tensor cores' instructions and asynchronous copies (cuda/ptx.h) as the emulator has them, against plain
// loops. Where an element is in a register is written down here once more, from the PTX ISA's tables.
#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <vector>

#define TSR_BACKEND emu
#include "cuda/ptx.h"
#include "tests/cuda/raises.h"

namespace tsr::emu {
namespace {

using Registers = std::vector<std::uint32_t>;
const LaunchShape kWarp{.grid = {1}, .block = {32}};

// ---- the PTX ISA's tables: element i of a lane's fragment ----

struct Place {
  int row, col;
};
template <class T>
Place place_a(int lane, int i) {
  const int group = lane >> 2, thread = lane & 3;
  if constexpr (sizeof(T) == 4)  // m16n8k8, .tf32
    return {i == 0 || i == 2 ? group : group + 8, i < 2 ? thread : thread + 4};
  else  // m16n8k16, .f16 and .bf16
    return {i < 2 || (i >= 4 && i < 6) ? group : group + 8, thread * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
}
template <class T>
Place place_b(int lane, int i) {
  const int group = lane >> 2, thread = lane & 3;
  if constexpr (sizeof(T) == 4) {
    return {i == 0 ? thread : thread + 4, group};
  } else {
    return {thread * 2 + (i & 1) + (i >= 2 ? 8 : 0), group};
  }
}
Place place_c(int lane, int i) { return {(lane >> 2) + (i >= 2 ? 8 : 0), (lane & 3) * 2 + (i & 1)}; }

// ---- matrices ----

/// Numbers of either sign, with as many digits as T has: their products fill a float32.
float number(std::uint32_t& state) {
  state = state * 1664525u + 1013904223u;
  return static_cast<float>(static_cast<int>(state >> 8) % 65536 - 32768) / 8192;
}
template <class T>
std::vector<T> numbers(int count, std::uint32_t seed) {
  std::vector<T> result;
  result.reserve(count);
  for (int i = 0; i < count; ++i) result.push_back(static_cast<T>(number(seed)));
  return result;
}
/// What mma reads of a number: a float's upper 19 bits.
template <class T>
float read_by_mma(T x) {
  if constexpr (std::is_same_v<T, float>) {
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) >> 13 << 13);
  } else {
    return x;
  }
}
/// c [16][8] + a [16][k] · b [k][8], one product after the other.
template <class T>
std::vector<float> plain_product(const std::vector<T>& a, const std::vector<T>& b, std::vector<float> c) {
  const int depth = static_cast<int>(a.size()) / 16;
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j)
      for (int k = 0; k < depth; ++k)
        c[i * 8 + j] += read_by_mma(a[i * depth + k]) * read_by_mma(b[k * 8 + j]);
  return c;
}

/// Packs elements of a lane, which `place` finds in a matrix with `width` columns, into registers.
template <class T, class PlaceOf>
Registers fragments(const std::vector<T>& matrix, int width, int registers, PlaceOf place) {
  constexpr int kEach = 4 / sizeof(T);
  Registers result(32 * registers);
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < registers * kEach; ++i) {
      const Place at = place(lane, i);
      std::memcpy(reinterpret_cast<char*>(&result[lane * registers + i / kEach]) + i % kEach * sizeof(T),
                  &matrix[at.row * width + at.col], sizeof(T));
    }
  return result;
}
std::vector<float> unpack_c(const std::vector<float>& values) {
  std::vector<float> c(16 * 8);
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) c[place_c(lane, i).row * 8 + place_c(lane, i).col] = values[lane * 4 + i];
  return c;
}

// ---- mma ----

/// Each lane is given its registers, a [m][lane][4] and b [n][lane][2], and gives c [m][n][lane][4] back.
template <class T, int m, int n>
__global__ void mma_kernel(const std::uint32_t* a, const std::uint32_t* b, float* c) {
  const unsigned lane = threadIdx.x;
  FragmentA<T> own_a[m];
  FragmentB<T> own_b[n];
  FragmentC own_c[m][n];
  for (int i = 0; i < m; ++i) std::memcpy(own_a[i].reg, a + (i * 32 + lane) * 4, 16);
  for (int j = 0; j < n; ++j) std::memcpy(own_b[j].reg, b + (j * 32 + lane) * 2, 8);
  const auto each_c = [&](const auto& body) {
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j)
        for (int r = 0; r < 4; ++r) body(own_c[i][j].value[r], c[((i * n + j) * 32 + lane) * 4 + r]);
  };
  each_c([](float& own, float given) { own = given; });
  if constexpr (m * n == 1) {
    mma(own_c[0][0], own_a[0], own_b[0]);
  } else {
    mma(own_c, own_a, own_b);
  }
  each_c([](float own, float& result) { result = own; });
}

template <class T, int m, int n>
void check_mma() {
  constexpr int kDepth = kMmaDepth<T>;
  std::vector<std::vector<T>> a, b;
  std::vector<std::vector<float>> c;
  Registers registers_a, registers_b;
  std::vector<float> values;
  const auto append = [](auto& to, const auto& more) { to.insert(to.end(), more.begin(), more.end()); };
  for (int i = 0; i < m; ++i) {
    a.push_back(numbers<T>(16 * kDepth, 10 + i));
    append(registers_a, fragments(a[i], kDepth, 4, &place_a<T>));
  }
  for (int j = 0; j < n; ++j) {
    b.push_back(numbers<T>(kDepth * 8, 20 + j));
    append(registers_b, fragments(b[j], 8, 2, &place_b<T>));
  }
  for (int i = 0; i < m * n; ++i) {
    c.push_back(numbers<float>(16 * 8, 30 + i));
    for (int lane = 0; lane < 32; ++lane)
      for (int r = 0; r < 4; ++r) values.push_back(c[i][place_c(lane, r).row * 8 + place_c(lane, r).col]);
  }
  Stream stream;
  launch<mma_kernel<T, m, n>>(kWarp, stream, registers_a.data(), registers_b.data(), values.data());
  for (int i = 0; i < m * n; ++i)
    CHECK(unpack_c({values.begin() + i * 128, values.begin() + (i + 1) * 128}) ==
          plain_product(a[i / n], b[i % n], c[i]));
}

TEST_CASE_TEMPLATE("mma multiplies the matrices of the PTX tables, one fragment or several", T, BFloat16,
                   Float16, float) {
  check_mma<T, 1, 1>();
  check_mma<T, 3, 2>();
}

// ---- ldmatrix ----

/// The lane points at words[offset]. registers: [lane][count]; what ldmatrix does not write stays.
template <int count, bool trans>
__global__ void ldmatrix_kernel(const std::uint16_t* given, const int* offset, std::uint32_t* registers) {
  SHARED(std::uint16_t, words, [32 * 16]);
  for (unsigned i = threadIdx.x; i < 32 * 16; i += 32) words[i] = given[i];
  __syncthreads();
  const unsigned lane = threadIdx.x;
  const std::uint16_t* const row = offset[lane] < 0 ? nullptr : words + offset[lane];
  if constexpr (count == 4) {
    FragmentA<Float16> a;
    ldmatrix_x4<trans>(a, row);
    std::memcpy(registers + lane * 4, a.reg, 16);
  } else {
    FragmentB<BFloat16> b;
    ldmatrix_x2<trans>(b, row);
    std::memcpy(registers + lane * 2, b.reg, 8);
  }
}

/// Rows lie anywhere. Register m of a lane has two elements of matrix m, whose rows lanes 8m to 8m + 7 point
/// at.
template <int count, bool trans>
void check_ldmatrix() {
  std::vector<std::uint16_t> words(32 * 16);
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = static_cast<std::uint16_t>(i * 7919);
  std::vector<int> offset(32, -1);  // lanes that are not asked point nowhere
  for (int lane = 0; lane < 8 * count; ++lane) offset[lane] = lane * 13 % 32 * 16 + lane % 2 * 8;
  Registers registers(32 * count);
  Stream stream;
  launch<ldmatrix_kernel<count, trans>>(kWarp, stream, words.data(), offset.data(), registers.data());
  for (int lane = 0; lane < 32; ++lane)
    for (int m = 0; m < count; ++m)
      for (int i = 0; i < 2; ++i) {
        const int row = trans ? lane % 4 * 2 + i : lane / 4, col = trans ? lane / 4 : lane % 4 * 2 + i;
        CHECK((registers[lane * count + m] >> (16 * i) & 0xffffu) == words[offset[m * 8 + row] + col]);
      }
}

TEST_CASE("ldmatrix hands out the rows that lanes point at, as they are and transposed") {
  check_ldmatrix<4, false>();
  check_ldmatrix<4, true>();
  check_ldmatrix<2, false>();
  check_ldmatrix<2, true>();
}

/// c [32][32] = a · b over one fragment's depth, all through ldmatrix. a is stored [32][k] or [k][32], b too.
template <class T, bool trans_a, bool trans_b>
__global__ void product_kernel(const T* a, const T* b, float* c) {
  constexpr int kDepth = kMmaDepth<T>, kPitch = 40;  // elements a row
  __attribute__((unused)) const int lane = static_cast<int>(threadIdx.x);
  SHARED(T, tiles, [2][32][kPitch]);
  const auto fill = [&](T(&tile)[32][kPitch], const T* from, int rows, int cols) {
    for (int i = lane; i < rows * cols; i += 32) tile[i / cols][i % cols] = from[i];
  };
  fill(tiles[0], a, trans_a ? kDepth : 32, trans_a ? 32 : kDepth);
  fill(tiles[1], b, trans_b ? kDepth : 32, trans_b ? 32 : kDepth);
  __syncthreads();
  constexpr int kHalf = 16 / sizeof(T);
  FragmentA<T> own_a[2];
  FragmentB<T> own_b[4];
  FragmentC own_c[2][4];
  const LaneSource from_a = FragmentA<T>::source(lane, trans_a), from_b = FragmentB<T>::source(lane, trans_b);
  ldmatrix_x4<trans_a>(own_a, [&](int i) {
    return trans_a ? &tiles[0][from_a.row][16 * i + from_a.half * kHalf]
                   : &tiles[0][16 * i + from_a.row][from_a.half * kHalf];
  });
  ldmatrix_x4<trans_b>(own_b, [&](int i) {
    return trans_b ? &tiles[1][from_b.row][16 * i + from_b.half * kHalf]
                   : &tiles[1][16 * i + from_b.row][from_b.half * kHalf];
  });
  mma(own_c, own_a, own_b);
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 4; ++j)
      for (int r = 0; r < 4; ++r)
        c[(16 * i + FragmentC::row(lane, r)) * 32 + 8 * j + FragmentC::col(lane, r)] = own_c[i][j].value[r];
}

template <class T, bool trans_a, bool trans_b>
void check_product() {
  constexpr int kDepth = kMmaDepth<T>;
  const std::vector<T> a = numbers<T>(32 * kDepth, 1), b = numbers<T>(32 * kDepth, 2);
  std::vector<float> c(32 * 32);
  Stream stream;
  launch<product_kernel<T, trans_a, trans_b>>(kWarp, stream, a.data(), b.data(), c.data());
  for (int i = 0; i < 32; ++i)
    for (int j = 0; j < 32; ++j) {
      float sum = 0;
      for (int k = 0; k < kDepth; ++k)
        sum += read_by_mma(a[trans_a ? k * 32 + i : i * kDepth + k]) *
               read_by_mma(b[trans_b ? k * 32 + j : j * kDepth + k]);
      REQUIRE(c[i * 32 + j] == sum);
    }
}

TEST_CASE_TEMPLATE("ldmatrix fills the fragments that mma reads, from either order in memory", T, BFloat16,
                   Float16, float) {
  check_product<T, false, false>();
  if constexpr (sizeof(T) == 2) {
    check_product<T, true, false>();
    check_product<T, false, true>();
    check_product<T, true, true>();
  }
}

// ---- conversions ----

TEST_CASE("pack puts the first number into the lower half, rounded to nearest even") {
  CHECK(pack<BFloat16>(1.0f, -2.0f) == 0xc0003f80u);
  CHECK(pack<Float16>(1.0f, -2.0f) == 0xc0003c00u);
  CHECK(pack<Float16>(1 + 0x1p-11f, 1 + 0x3p-11f) == 0x3c023c00u);
}

TEST_CASE("round_tf32 leaves 10 bits of the fraction, ties away from zero") {
  CHECK(round_tf32(1 + 0x1p-10f) == 1 + 0x1p-10f);
  CHECK(round_tf32(1 + 0x1p-11f) == 1 + 0x1p-10f);
  CHECK(round_tf32(-1 - 0x3p-11f) == -1 - 0x2p-10f);
  CHECK(round_tf32(1 + 0x1.ffcp-12f) == 1.0f);
  CHECK(round_tf32(0x1.ffffffp0f) == 2.0f);
  CHECK(std::isinf(round_tf32(HUGE_VALF)));
  CHECK(std::isnan(round_tf32(std::bit_cast<float>(0x7fffffffu))));
}

// ---- cp.async ----

/// Thread v copies `bytes` to its own place, of which v are valid.
template <int bytes>
__global__ void partial_kernel(const unsigned char* from, unsigned char* to) {
  SHARED(uint4, places, [17]);
  auto* own = reinterpret_cast<unsigned char*>(&places[threadIdx.x]);
  cp_async<bytes>(own, from, static_cast<int>(threadIdx.x));
  cp_async_commit();
  cp_async_wait<0>();
  for (int i = 0; i < bytes; ++i) to[threadIdx.x * bytes + i] = own[i];
}
template <int bytes>
void check_partial() {
  alignas(16) unsigned char from[16];
  for (int i = 0; i < 16; ++i) from[i] = static_cast<unsigned char>(200 + i);
  std::vector<unsigned char> to((bytes + 1) * bytes, 77);
  Stream stream;
  launch<partial_kernel<bytes>>({.grid = {1}, .block = {bytes + 1}}, stream, from, to.data());
  for (int valid = 0; valid <= bytes; ++valid)
    for (int i = 0; i < bytes; ++i) CHECK(to[valid * bytes + i] == (i < valid ? 200 + i : 0));
}

TEST_CASE("cp.async copies the valid bytes and zeros") {
  check_partial<4>();
  check_partial<8>();
  check_partial<16>();
}

/// Four groups of one copy, an empty one, and a copy that no group has; what is there after each wait.
__global__ void groups_kernel(int* from, int* seen) {
  SHARED(int, tile, [6]);
  const auto look = [&](int step) {
    for (int i = 0; i < 6; ++i) seen[step * 6 + i] = tile[i];
  };
  for (int i = 0; i < 4; ++i) {
    cp_async<4>(&tile[i], from + i);
    cp_async_commit();
  }
  cp_async_commit();
  cp_async<4>(&tile[5], from + 5);
  look(0);
  cp_async_wait<4>();
  look(1);
  cp_async_wait<2>();
  look(2);
  from[3] = 1003;  // before its copy has been waited for
  cp_async_wait<0>();
  look(3);
  cp_async_commit();
  cp_async_wait<1>();
  look(4);
  cp_async_wait<0>();
  look(5);
}

TEST_CASE("a group's copies arrive when it is waited for, the oldest first, and no other's") {
  int from[6] = {0, 1, 2, 3, 4, 5}, seen[6][6];
  Stream stream;
  launch<groups_kernel>({.grid = {1}, .block = {1}}, stream, &from[0], &seen[0][0]);
  const int poison = -1;
  const int expected[6][6] = {{poison, poison, poison, poison, poison, poison},
                              {0, poison, poison, poison, poison, poison},
                              {0, 1, 2, poison, poison, poison},
                              {0, 1, 2, 1003, poison, poison},
                              {0, 1, 2, 1003, poison, poison},
                              {0, 1, 2, 1003, poison, 5}};
  for (int step = 0; step < 6; ++step)
    for (int i = 0; i < 6; ++i) CHECK(seen[step][i] == expected[step][i]);
}

/// Each thread of a block reads what its neighbour has copied.
__global__ void neighbour_kernel(const float* from, float* to) {
  SHARED(float4, tile, [64]);
  const unsigned i = threadIdx.x;
  cp_async<16>(&tile[i], from + (blockIdx.x * 64 + i) * 4);
  cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();
  to[blockIdx.x * 64 + i] = tile[(i + 1) % 64].z;
}

TEST_CASE("after a barrier the others see a copy, and no block another's") {
  std::vector<float4> from(3 * 64);
  std::vector<float> to(3 * 64);
  for (std::size_t i = 0; i < from.size(); ++i) from[i].z = static_cast<float>(i);
  Stream stream;
  launch<neighbour_kernel>({.grid = {3}, .block = {64}}, stream, &from[0].x, to.data());
  for (std::size_t i = 0; i < to.size(); ++i) {
    const std::size_t neighbour = i / 64 * 64 + (i + 1) % 64;
    CHECK(to[i] == static_cast<float>(neighbour));
  }
}

// ---- mistakes ----

__global__ void row_kernel(const std::uint16_t* global, int lane, int offset, int* out) {
  SHARED(uint4, tile, [64]);
  const auto* row = reinterpret_cast<const std::uint16_t*>(&tile[threadIdx.x]);
  FragmentA<Float16> a;
  ldmatrix_x4(a, static_cast<int>(threadIdx.x) != lane ? row : global != nullptr ? global : row + offset);
  out[threadIdx.x] = static_cast<int>(a.reg[0]);
}
__global__ void some_lanes_kernel(int* out) {
  FragmentA<Float16> a{};
  FragmentB<Float16> b{};
  FragmentC c;
  if (threadIdx.x < 16) mma(c, a, b);
  out[threadIdx.x] = static_cast<int>(c.value[0]);
}
__global__ void two_places_kernel(int* out) {
  FragmentA<Float16> a{};
  FragmentB<Float16> b{};
  FragmentC c;
  if (threadIdx.x < 16) {  // NOLINT(bugprone-branch-clone): each branch has its own instruction
    mma(c, a, b);
  } else {
    mma(c, a, b);
  }
  out[threadIdx.x] = static_cast<int>(c.value[0]);
}
__global__ void other_call_kernel(int* out) {
  FragmentB<Float16> b{};
  SHARED(uint4, tile, [32]);
  if (threadIdx.x < 31) {
    ldmatrix_x2(b, &tile[threadIdx.x]);
  } else {
    __syncwarp();
  }
  out[threadIdx.x] = static_cast<int>(b.reg[0]);
}
__global__ void copy_kernel(const float* from, int shared_offset, int global_offset, int valid) {
  SHARED(float, tile, [64]);
  cp_async<16>(tile + shared_offset, from + global_offset, valid);
}
__global__ void wrong_way_kernel(float* global, bool from_shared) {
  SHARED(float, tile, [64]);
  cp_async<4>(from_shared ? tile : global, tile + 4);
}

TEST_CASE("a mistake with these instructions names kernel, block, thread and line") {
  Stream stream;
  std::vector<int> out(32);
  alignas(16) std::uint16_t global[8] = {};
  alignas(16) float floats[16] = {};
  const std::uint16_t* const nowhere = nullptr;
  CHECK_RAISES(launch<row_kernel>(kWarp, stream, nowhere, 5, 4, out.data()), "row_kernel", "block (0, 0, 0)",
               "thread (5, 0, 0)", "tests/cuda/ptx_test.cpp:", "ldmatrix", "not 16-byte aligned");
  CHECK_RAISES(launch<row_kernel>(kWarp, stream, &global[0], 7, 0, out.data()), "thread (7, 0, 0)",
               "not shared memory");
  CHECK_RAISES(launch<row_kernel>({.grid = {1}, .block = {20}}, stream, nowhere, -1, 0, out.data()),
               "ldmatrix", "mask 0xffffffff names lane 20");
  CHECK_RAISES(launch<some_lanes_kernel>(kWarp, stream, out.data()), "some_lanes_kernel", "mma.sync",
               "mask 0xffffffff of that call names its lane");
  CHECK_RAISES(launch<two_places_kernel>(kWarp, stream, out.data()), "thread (16, 0, 0)", "mma.sync",
               "are at mma.sync, ");
  CHECK_RAISES(launch<other_call_kernel>(kWarp, stream, out.data()), "thread (31, 0, 0)", "__syncwarp",
               "are at ldmatrix");
  const LaunchShape one{.grid = {1}, .block = {1}};
  const float* const from = floats;
  CHECK_RAISES(launch<copy_kernel>(one, stream, from, 1, 0, 16), "copy_kernel", "thread (0, 0, 0)",
               "tests/cuda/ptx_test.cpp:", "cp.async", "target in shared memory is not 16-byte aligned");
  CHECK_RAISES(launch<copy_kernel>(one, stream, from, 0, 2, 16),
               "source in global memory is not 16-byte aligned");
  CHECK_RAISES(launch<copy_kernel>(one, stream, from, 0, 0, 17), "17 valid bytes of 16");
  CHECK_RAISES(launch<copy_kernel>(one, stream, from, 0, 0, -1), "-1 valid bytes of 16");
  CHECK_RAISES(launch<wrong_way_kernel>(one, stream, &floats[0], false), "the target is not shared memory");
  CHECK_RAISES(launch<wrong_way_kernel>(one, stream, &floats[0], true), "the source is shared memory");
}

// ---- dynamic shared memory ----

template <int static_bytes>
__global__ void ends_kernel(std::size_t bytes, int* out) {
  DYN_SHARED(dynamic);
  SHARED(unsigned char, some, [static_bytes]);
  some[threadIdx.x] = 1;
  if (threadIdx.x == 0) dynamic[0] = std::byte{3}, dynamic[bytes - 1] = std::byte{4};
  __syncthreads();
  if (threadIdx.x == 31)
    *out = some[0] + 10 * static_cast<int>(dynamic[0]) + 100 * static_cast<int>(dynamic[bytes - 1]);
}

TEST_CASE("a launch may ask for all the shared memory of a device, static and dynamic together") {
  Stream stream;
  int out = 0;
  const std::size_t most = kMostShared - 1024;
  launch<ends_kernel<1024>>({.grid = {1}, .block = {32}, .shared_bytes = most}, stream, most, &out);
  CHECK(out == 431);
  CHECK_RAISES(
      launch<ends_kernel<1025>>({.grid = {1}, .block = {32}, .shared_bytes = most}, stream, most, &out),
      "shared variable some", "166913 bytes of shared memory", "the limit is 166912");
}

}  // namespace
}  // namespace tsr::emu
