#pragma once
// The last step of a sum over rows: partial sums of chunks become one.

#include <algorithm>
#include <array>
#include <cstdint>

#include "tensor/parallel.h"

namespace tsr {

/// sum[c] = Σ over the rows of partial[row·stride + c], for c below `columns`; rows rising, in double.
template <class T>
void merge_rows(const T* partial, std::int64_t rows, std::int64_t stride, std::int64_t columns, T* sum) {
  constexpr std::int64_t kColumns = 256;
  parallel_for((columns + kColumns - 1) / kColumns, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t first = block * kColumns, count = std::min(kColumns, columns - first);
      std::array<double, kColumns> total{};
      for (std::int64_t row = 0; row < rows; ++row)
        for (std::int64_t c = 0; c < count; ++c)
          total[static_cast<std::size_t>(c)] += static_cast<double>(partial[row * stride + first + c]);
      for (std::int64_t c = 0; c < count; ++c)
        sum[first + c] = static_cast<T>(total[static_cast<std::size_t>(c)]);
    }
  });
}

}  // namespace tsr
