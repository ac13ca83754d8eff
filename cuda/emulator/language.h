#pragma once
// CUDA C++ for the host compiler: what a .cu file may say, given the meaning that the CUDA C++ Programming
// Guide (13.0, chapters 7 and 10) gives it.

#include <cmath>
#include <cstdint>

#include "cuda/emulator/arithmetic.h"
#include "cuda/emulator/atomics.h"
#include "cuda/emulator/block.h"
#include "cuda/emulator/geometry.h"
#include "cuda/emulator/stream.h"
#include "cuda/emulator/synchronize.h"
#include "cuda/emulator/vectors.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

/// A shared variable: SHARED(float, tile, [64][72]), or SHARED(int, count, ) for one value.
#define SHARED(type, name, extent) \
  auto& name = ::tsr::emu::shared_variable<::std::type_identity_t<type extent>>([] {}, #name)
/// The dynamic shared memory of the launch, as bytes.
#define DYN_SHARED(name) ::std::byte* const name = ::tsr::emu::Block::current().shared().dynamic()
#define UNROLL

namespace tsr::emu {

/// A closure has a type of its own at each place in the source, which is what tells variables apart.
template <class Declaration>
inline constexpr char kDeclaration = 0;

template <class T, class Declaration>
T& shared_variable(Declaration, const char* name) {
  return *static_cast<T*>(
      Block::current().shared().variable(&kDeclaration<Declaration>, name, sizeof(T), alignof(T)));
}

}  // namespace tsr::emu
