#pragma once
// Chunks of rows for kernels that work by channel.

#include <algorithm>
#include <cstdint>

#include "tensor/parallel.h"
#include "tensor/view.h"

namespace tsr::cpu {

/// How x, seen as [rows, channels], is cut into chunks of rows: by its shape alone.
struct ChannelChunks {
  std::int64_t rows, channels, size, count;

  explicit ChannelChunks(const View& x)
      : ChannelChunks(x.size[x.rank - 1] == 0 ? 0 : x.numel() / x.size[x.rank - 1], x.size[x.rank - 1]) {}
  ChannelChunks(std::int64_t rows, std::int64_t channels) : rows(rows), channels(channels) {
    constexpr std::int64_t kElements = 1 << 14;  // a chunk stays in the second-level cache
    constexpr std::int64_t kFewest = 64;         // and has enough rows to make merging cheap
    size = std::max(kFewest, kElements / std::max<std::int64_t>(channels, 1));
    count = (rows + size - 1) / size;
  }
  std::int64_t rows_of(std::int64_t chunk) const { return std::min(size, rows - chunk * size); }

  /// Whether to write a result of x's shape around the caches: it is larger than they are, so that fetching
  /// the lines that it overwrites would be wasted. Streaming needs whole, aligned vectors.
  bool streams(const View& result) const {
    constexpr std::int64_t kCacheBytes = std::int64_t{32} << 20, kAlignment = 64;
    const std::int64_t row_bytes = channels * size_of(result.dtype);
    return rows * row_bytes >= kCacheBytes && row_bytes % kAlignment == 0 &&
           reinterpret_cast<std::uintptr_t>(result.data) % kAlignment == 0;
  }

  /// Calls body(chunk, offset of its first element, its rows), in parallel.
  template <class Body>
  void run(Body&& body) const {
    parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t chunk = begin; chunk < end; ++chunk)
        body(chunk, chunk * size * channels, rows_of(chunk));
    });
  }

  /// Calls body(c) for every channel, in parallel.
  template <class Body>
  void run_channels(Body&& body) const {
    parallel_for(channels, 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c) body(c);
    });
  }
};

}  // namespace tsr::cpu
