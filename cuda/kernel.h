#pragma once
// What a .cu file includes. It is compiled twice, by nvcc for a GPU and by the host compiler for the
// emulator, and all that it defines lives in namespace tsr::TSR_BACKEND (tsr::cuda or tsr::emu), so that one
// program holds both.
//
// Beside plain CUDA C++ it uses
//   SHARED(type, name, [n][m])        a shared variable
//   DYN_SHARED(name)                  the launch's dynamic shared memory, as bytes, 128-byte aligned
//   UNROLL                            before a loop whose index picks registers: nvcc unrolls it
//   launch<kernel>({.grid, .block, .shared_bytes}, stream, arguments…)
//   TSR_DEVICE_KERNEL(slot, function template, types…)    registers function<T> for each type
//   TSR_DEVICE_VARIANT(slot, name, function template, types…)    the same as a variant, for
//   KernelSlot::choose
// and never <<<>>>, __shared__ or inline PTX outside cuda/ptx.h.

#include <cstdint>

#include "tensor/kernel.h"

#if !defined(TSR_BACKEND)
#error "a .cu file is compiled with -DTSR_BACKEND=emu or -DTSR_BACKEND=cuda"
#endif

#if defined(__CUDACC__)
#include "cuda/runtime/language.h"
#else
#include "cuda/emulator/language.h"
#endif

#define TSR_DEVICE_KERNEL(slot, function, ...)                                      \
  static const ::tsr::Register<__VA_ARGS__> TSR_JOIN(register_##slot##_, __LINE__)( \
      slot, ::tsr::Device::TSR_BACKEND, [](auto type) { return &function<decltype(type)>; })
#define TSR_DEVICE_VARIANT(slot, name, function, ...)                                              \
  static const ::tsr::Register<__VA_ARGS__> TSR_JOIN(register_##slot##_, __LINE__)(                \
      slot, ::tsr::Device::TSR_BACKEND, [](auto type) { return &function<decltype(type)>; }, name, \
      ::tsr::Standing::alternative)
