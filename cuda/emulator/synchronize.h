#pragma once
// Barriers, and what the lanes of a warp do together.

#include <concepts>
#include <cstdint>
#include <cstring>

#include "cuda/emulator/block.h"

namespace tsr::emu {

inline void __syncthreads(Here at = Here::current()) {
  Block::current().barrier(Site("__syncthreads", at), false);
}
inline int __syncthreads_count(int predicate, Here at = Here::current()) {
  return Block::current().barrier(Site("__syncthreads_count", at), predicate != 0).count;
}
inline int __syncthreads_and(int predicate, Here at = Here::current()) {
  return Block::current().barrier(Site("__syncthreads_and", at), predicate != 0).all;
}
inline int __syncthreads_or(int predicate, Here at = Here::current()) {
  return Block::current().barrier(Site("__syncthreads_or", at), predicate != 0).any;
}

inline void __syncwarp(unsigned mask = 0xffffffffu, Here at = Here::current()) {
  int nothing = 0;
  Block::current().meet(Site("__syncwarp", at), mask, nothing, [](int* const*) {});
}

/// The lanes of the warp that run this together: all that can come here without waiting for each other.
inline unsigned __activemask(Here at = Here::current()) {
  return Block::current().active_mask(Site("__activemask", at));
}

// ---- votes ----

struct Vote {
  bool predicate;
  unsigned ballot = 0;
};

inline unsigned ballot(const Site& site, unsigned mask, bool predicate) {
  Vote vote{predicate};
  Block::current().meet(site, mask, vote, [](Vote* const* lanes) {
    unsigned result = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
      if (lanes[lane] != nullptr && lanes[lane]->predicate) result |= 1u << lane;
    for (unsigned lane = 0; lane < 32; ++lane)
      if (lanes[lane] != nullptr) lanes[lane]->ballot = result;
  });
  return vote.ballot;
}

inline unsigned __ballot_sync(unsigned mask, int predicate, Here at = Here::current()) {
  return ballot(Site("__ballot_sync", at), mask, predicate != 0);
}
inline int __any_sync(unsigned mask, int predicate, Here at = Here::current()) {
  return ballot(Site("__any_sync", at), mask, predicate != 0) != 0;
}
inline int __all_sync(unsigned mask, int predicate, Here at = Here::current()) {
  return ballot(Site("__all_sync", at), mask, predicate != 0) == mask;
}

// ---- shuffles: PTX ISA 8.0, shfl.sync ----

template <class T>
concept Shuffled = std::is_arithmetic_v<T> &&(sizeof(T) == 4 || sizeof(T) == 8);

template <Shuffled T>
struct Shuffle {
  T value;
  int source;  ///< whose value this lane gets
  T result{};
};

/// A lane that the mask does not name has nothing to give: poison.
template <Shuffled T>
T shuffle(const Site& site, unsigned mask, T value, int source) {
  Shuffle<T> own{value, source};
  Block::current().meet(site, mask, own, [](Shuffle<T>* const* lanes) {
    for (int lane = 0; lane < 32; ++lane) {
      if (lanes[lane] == nullptr) continue;
      const Shuffle<T>* from = lanes[lanes[lane]->source];
      if (from != nullptr) {
        lanes[lane]->result = from->value;
      } else {
        std::memset(&lanes[lane]->result, kPoison, sizeof(T));
      }
    }
  });
  return own.result;
}

/// A warp cut into segments of `width` lanes.
struct Segment {
  int lane, first, last;
  Segment(const Site& site, int width) : lane(static_cast<int>(Block::current().lane())) {
    if (width < 1 || width > 32 || (width & (width - 1)) != 0)
      fail(site, "width ", width, " is not a power of two from 1 to 32");
    first = lane & ~(width - 1);
    last = first + width - 1;
  }
};

template <Shuffled T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize, Here at = Here::current()) {
  const Site site("__shfl_sync", at);
  const Segment segment(site, width);
  return shuffle(site, mask, value, segment.first + (source & (width - 1)));
}
template <Shuffled T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize, Here at = Here::current()) {
  const Site site("__shfl_up_sync", at);
  const Segment segment(site, width);
  const int source = segment.lane - static_cast<int>(delta);
  return shuffle(site, mask, value, source < segment.first ? segment.lane : source);
}
template <Shuffled T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize, Here at = Here::current()) {
  const Site site("__shfl_down_sync", at);
  const Segment segment(site, width);
  const int source = segment.lane + static_cast<int>(delta);
  return shuffle(site, mask, value, source > segment.last ? segment.lane : source);
}
template <Shuffled T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize, Here at = Here::current()) {
  const Site site("__shfl_xor_sync", at);
  const Segment segment(site, width);
  const int source = segment.lane ^ lane_mask;
  return shuffle(site, mask, value, source > segment.last ? segment.lane : source);
}

}  // namespace tsr::emu
