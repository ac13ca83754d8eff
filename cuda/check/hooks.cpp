// The functions that -fsanitize=thread makes g++ call for each load and store of a kernel (GCC 12,
// gcc/sanitizer.def), given our meaning instead of libtsan's.

#include <cstddef>
#include <cstdint>

#include "cuda/check/checker.h"
#include "cuda/check/profile.h"

// NOLINTBEGIN(bugprone-reserved-identifier)
namespace {
using tsr::emu::check::access;
using tsr::emu::check::Kind;
using tsr::emu::check::profiling;
}  // namespace

extern "C" {

#define CODE __builtin_return_address(0)
#define PLAIN(n)                                                                         \
  void __tsan_read##n(void* p) { access(p, n, n, Kind::read, CODE); }                    \
  void __tsan_write##n(void* p) { access(p, n, n, Kind::write, CODE); }                  \
  void __tsan_unaligned_read##n(void* p) { access(p, n, 1, Kind::read, CODE); }          \
  void __tsan_unaligned_write##n(void* p) { access(p, n, 1, Kind::write, CODE); }        \
  void __tsan_volatile_read##n(void* p) { access(p, n, n, Kind::read, CODE); }           \
  void __tsan_volatile_write##n(void* p) { access(p, n, n, Kind::write, CODE); }         \
  void __tsan_unaligned_volatile_read##n(void* p) { access(p, n, 1, Kind::read, CODE); } \
  void __tsan_unaligned_volatile_write##n(void* p) { access(p, n, 1, Kind::write, CODE); }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void* p, std::size_t bytes) { access(p, bytes, 1, Kind::read, CODE); }
void __tsan_write_range(void* p, std::size_t bytes) { access(p, bytes, 1, Kind::write, CODE); }
void __tsan_vptr_update(void* p, void*) { access(p, 8, 8, Kind::write, CODE); }
void __tsan_vptr_read(void* p) { access(p, 8, 8, Kind::read, CODE); }
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

// An atomic function loads, and then exchanges: a profile counts that once.
#define CHANGE(bits, T, name)                                            \
  T __tsan_atomic##bits##_##name(volatile T* p, T x, int) {              \
    access(const_cast<T*>(p), sizeof(T), sizeof(T), Kind::atomic, CODE); \
    return __atomic_##name(p, x, __ATOMIC_SEQ_CST);                      \
  }
#define EXCHANGE(bits, T, strength, weak)                                                             \
  bool __tsan_atomic##bits##_compare_exchange_##strength(volatile T* p, T* expected, T x, int, int) { \
    access(const_cast<T*>(p), sizeof(T), sizeof(T), Kind::atomic, CODE);                              \
    return __atomic_compare_exchange_n(p, expected, x, weak, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);     \
  }
#define ATOMIC(bits, T)                                                                    \
  T __tsan_atomic##bits##_load(const volatile T* p, int) {                                 \
    if (!profiling()) access(const_cast<T*>(p), sizeof(T), sizeof(T), Kind::atomic, CODE); \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                           \
  }                                                                                        \
  void __tsan_atomic##bits##_store(volatile T* p, T x, int) {                              \
    access(const_cast<T*>(p), sizeof(T), sizeof(T), Kind::atomic, CODE);                   \
    __atomic_store_n(p, x, __ATOMIC_SEQ_CST);                                              \
  }                                                                                        \
  T __tsan_atomic##bits##_exchange(volatile T* p, T x, int) {                              \
    access(const_cast<T*>(p), sizeof(T), sizeof(T), Kind::atomic, CODE);                   \
    return __atomic_exchange_n(p, x, __ATOMIC_SEQ_CST);                                    \
  }                                                                                        \
  EXCHANGE(bits, T, strong, false)                                                         \
  EXCHANGE(bits, T, weak, true)                                                            \
  CHANGE(bits, T, fetch_add)                                                               \
  CHANGE(bits, T, fetch_sub)                                                               \
  CHANGE(bits, T, fetch_and)                                                               \
  CHANGE(bits, T, fetch_or)                                                                \
  CHANGE(bits, T, fetch_xor)                                                               \
  CHANGE(bits, T, fetch_nand)
ATOMIC(8, std::uint8_t)
ATOMIC(16, std::uint16_t)
ATOMIC(32, std::uint32_t)
ATOMIC(64, std::uint64_t)

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
