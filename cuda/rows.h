#pragma once
// Kernels with a block a row: x has rows of n dense elements, anywhere in memory; results are dense.

#include "cuda/elements.h"
#include "cuda/numeric.h"
#include "cuda/reduce.h"

namespace tsr::TSR_BACKEND {

/// The rows of a view, as a loop over all axes but the last.
struct Rows {
  StridedLoop<1> starts;
  std::int64_t count, n;

  explicit Rows(const View& x) : starts(without_last(x)), count(starts.count()), n(x.size[x.rank - 1]) {}
  /// Where row `index` starts.
  constexpr std::int64_t offset(std::int64_t index) const {
    return starts.offsets(index, starts.rank - 1)[0];
  }

 private:
  static StridedLoop<1> without_last(View x) {
    --x.rank;
    return StridedLoop<1>({&x});
  }
};

/// Launches a kernel whose block i serves row i; its first parameter is the rows. Nothing for no rows.
template <auto kernel, class... Arguments>
void launch_rows(const Rows& rows, const Arguments&... arguments) {
  if (rows.count == 0) return;
  launch<kernel>({.grid = {static_cast<unsigned>(rows.count)}, .block = {reduce_threads(rows.n)}},
                 current_stream(), rows, arguments...);
}

}  // namespace tsr::TSR_BACKEND
