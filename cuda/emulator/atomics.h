#pragma once
// Atomic functions on global and shared memory. Relaxed, as on a device; blocks on other OS threads see them.

#include <atomic>
#include <concepts>
#include <cstdint>

namespace tsr::emu {

template <class T>
concept AtomicInteger =
    std::same_as<T, int> || std::same_as<T, unsigned> || std::same_as<T, unsigned long long>;
template <class T>
concept Atomic = AtomicInteger<T> || std::same_as<T, float> || std::same_as<T, double>;

// Inlined always: the checking build then knows the kernel's line.
#define TSR_EMU_ATOMIC [[gnu::always_inline]] inline

/// Replaces the value by change(value), and returns what it was.
template <class T, class Change>
TSR_EMU_ATOMIC T atomic_change(T* address, Change&& change) {
  std::atomic_ref<T> value(*address);
  T old = value.load(std::memory_order_relaxed);
  while (!value.compare_exchange_weak(old, change(old), std::memory_order_relaxed)) {
  }
  return old;
}

template <Atomic T>
TSR_EMU_ATOMIC T atomicAdd(T* address, std::type_identity_t<T> number) {
  return atomic_change(address, [=](T old) { return old + number; });
}
template <AtomicInteger T>
TSR_EMU_ATOMIC T atomicMax(T* address, std::type_identity_t<T> number) {
  return atomic_change(address, [=](T old) { return old < number ? number : old; });
}
template <AtomicInteger T>
TSR_EMU_ATOMIC T atomicMin(T* address, std::type_identity_t<T> number) {
  return atomic_change(address, [=](T old) { return number < old ? number : old; });
}
template <Atomic T>
TSR_EMU_ATOMIC T atomicExch(T* address, std::type_identity_t<T> number) {
  return std::atomic_ref<T>(*address).exchange(number, std::memory_order_relaxed);
}
template <AtomicInteger T>
TSR_EMU_ATOMIC T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> number) {
  std::atomic_ref<T>(*address).compare_exchange_strong(expected, number, std::memory_order_relaxed);
  return expected;
}

#undef TSR_EMU_ATOMIC

/// Orders this thread's writes before those that follow, for other threads of the device.
inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }

}  // namespace tsr::emu
