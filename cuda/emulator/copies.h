#pragma once
// The asynchronous copies of one thread, in groups (PTX ISA, cp.async). Until its group is waited for, a
// copy's target holds poison and its source is not read: both as late as a GPU might.

#include <cstddef>
#include <deque>

#include "cuda/emulator/site.h"

namespace tsr::emu {

class Copies {
 public:
  /// Begins a copy of `bytes` to shared memory: the first `valid` come from global memory, the rest becomes
  /// zero. Throws for addresses that are not aligned to `bytes` or lie in the other memory.
  void issue(const Site& site, void* shared, const void* global, int bytes, int valid);
  /// The copies since the last commit become a group, which may be empty.
  void commit() { ++groups_; }
  /// Finishes the groups but the last `groups`.
  void wait(std::size_t groups);
  /// Those that nobody waited for are never seen to arrive.
  void forget() { under_way_.clear(); }

 private:
  struct Copy {
    std::byte* to;
    const void* from;
    std::size_t bytes, valid, group;
  };
  std::deque<Copy> under_way_;
  std::size_t groups_ = 0;  ///< committed so far
};

}  // namespace tsr::emu
