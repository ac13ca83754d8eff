// Eight tiles of 16 rows of 64 bytes and the product of two of them: Intel's AMX, and the same in plain C++
// for machines without.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace tsr::cpu {

/// Whether this machine multiplies tiles of bfloat16, the operating system lets this process, and the
/// environment says neither TESSERA_AMX=0 nor TESSERA_AMX=emulated.
bool has_amx();

/// Whether the environment says TESSERA_AMX=emulated: tiles in plain C++, on any machine, to be stepped
/// through.
bool emulates_amx();

inline constexpr int kTileRows = 16, kTileBytes = 64;

/// Tiles in registers. The instructions are spelt out because intrinsics would bind whatever they are inlined
/// into to AMX.
class AmxTiles {
 public:
#if defined(__x86_64__)
  AmxTiles() {
    static thread_local constinit bool configured = false;
    if (!configured) configured = configure();
  }
  template <int t>
  void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(t));
  }
  /// Rows lie `stride` bytes apart.
  template <int t>
  void load(const float* from, std::int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(t) : "memory");
  }
  template <int t>
  void store(float* to, std::int64_t stride) const {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(t) : "memory");
  }
  /// sums [16, 16] of float32 += a [16, 32] · b [32, 16] of bfloat16; two rows of b are interleaved in one of
  /// the tile's, element by element. Subnormal numbers count as zero.
  template <int sums, int a, int b>
  void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sums), "i"(a), "i"(b));
  }

 private:
  /// All tiles of this thread get their largest size.
  static bool configure();
#else
  template <int t>
  void zero() {}
  template <int t>
  void load(const float*, std::int64_t) {}
  template <int t>
  void store(float*, std::int64_t) const {}
  template <int sums, int a, int b>
  void multiply() {}
#endif
};

/// The same to the bit, but for subnormal numbers.
class EmulatedTiles {
 public:
  template <int t>
  void zero() {
    tiles_[t] = {};
  }
  template <int t>
  void load(const float* from, std::int64_t stride) {
    for (int i = 0; i < kTileRows; ++i)
      std::memcpy(tiles_[t].data() + i * 16, from + i * stride / 4, kTileBytes);
  }
  template <int t>
  void store(float* to, std::int64_t stride) const {
    for (int i = 0; i < kTileRows; ++i)
      std::memcpy(to + i * stride / 4, tiles_[t].data() + i * 16, kTileBytes);
  }
  template <int sums, int a, int b>
  void multiply() {
    for (int i = 0; i < kTileRows; ++i) {
      for (int j = 0; j < kTileRows; ++j) {
        float even = 0, odd = 0;
        for (int k = 0; k < kTileRows; ++k) {
          const std::uint32_t left = tiles_[a][i * 16 + k], right = tiles_[b][k * 16 + j];
          even += low(left) * low(right);
          odd += high(left) * high(right);
        }
        std::uint32_t& sum = tiles_[sums][i * 16 + j];
        sum = std::bit_cast<std::uint32_t>(std::bit_cast<float>(sum) + (even + odd));
      }
    }
  }

 private:
  static float low(std::uint32_t pair) { return std::bit_cast<float>(pair << 16); }
  static float high(std::uint32_t pair) { return std::bit_cast<float>(pair & 0xFFFF0000); }

  std::array<std::array<std::uint32_t, 256>, 8> tiles_{};
};

}  // namespace tsr::cpu
