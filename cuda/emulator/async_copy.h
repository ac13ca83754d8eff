#pragma once
// cp.async: copies that a thread begins and later waits for (cuda/ptx.h has the words).

#include <cstddef>

#include "cuda/emulator/block.h"
#include "cuda/emulator/watch.h"

namespace tsr::emu {

// Inlined always: the checking build then knows the kernel's line.
template <int bytes>
[[gnu::always_inline]] inline void cp_async(void* shared, const void* global, int valid = bytes,
                                            Here at = Here::current()) {
  static_assert(bytes == 4 || bytes == 8 || bytes == 16);
  Block::current().copies().issue(Site("cp.async", at), shared, global, bytes, valid);
  watch::copy_issued(shared, bytes, global, static_cast<std::size_t>(valid));
}
[[gnu::always_inline]] inline void cp_async_commit() {
  Block::current().copies().commit();
  watch::group_committed();
}
template <int groups>
[[gnu::always_inline]] inline void cp_async_wait() {
  Block::current().copies().wait(groups);
  watch::group_wait(groups);
}

}  // namespace tsr::emu
