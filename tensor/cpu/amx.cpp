#include "tensor/cpu/amx.h"

#include <cstdlib>

#if defined(__x86_64__)
#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace tsr::cpu {

namespace {

bool wants(const char* value) {
  const char* wanted = std::getenv("TESSERA_AMX");
  return wanted != nullptr && std::strcmp(wanted, value) == 0;
}

}  // namespace

bool emulates_amx() {
  static const bool emulates = wants("emulated");
  return emulates;
}

#if defined(__x86_64__) && defined(__linux__)
namespace {

bool cpu_has_amx() {
  constexpr unsigned kBFloat16 = 1U << 22, kTiles = 1U << 24;  // cpuid 7: edx
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kBFloat16) != 0 && (d & kTiles) != 0;
}

/// Tiles are 8 KB more that a switch of threads must save: Linux gives them to those who ask, from 5.16 on.
bool ask_for_tiles() {
  constexpr int kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

}  // namespace

bool has_amx() {
  static const bool available = [] {
    return !wants("0") && !emulates_amx() && cpu_has_amx() && ask_for_tiles();
  }();
  return available;
}
#else
bool has_amx() { return false; }
#endif

#if defined(__x86_64__)
bool AmxTiles::configure() {
  struct alignas(64) {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t bytes[16] = {};
    std::uint8_t rows[16] = {};
  } config;
  for (int tile = 0; tile < 8; ++tile) config.bytes[tile] = kTileBytes, config.rows[tile] = kTileRows;
  asm volatile("ldtilecfg %0" : : "m"(config));
  return true;
}
#endif

}  // namespace tsr::cpu
