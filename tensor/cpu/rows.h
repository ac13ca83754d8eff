#pragma once
// The rows of a view along its last axis.

#include <algorithm>
#include <cstdint>

#include "tensor/parallel.h"
#include "tensor/view.h"

namespace tsr {

/// Where each row of a view of at least one axis starts; leading axes merged where their strides allow it.
class Rows {
 public:
  explicit Rows(const View& x) : length_(x.size[x.rank - 1]) {
    for (int axis = 0; axis + 1 < x.rank; ++axis) {
      count_ *= x.size[axis];
      if (x.size[axis] == 1) continue;
      if (rank_ > 0 && stride_[rank_ - 1] == x.stride[axis] * x.size[axis]) {
        size_[rank_ - 1] *= x.size[axis];
        stride_[rank_ - 1] = x.stride[axis];
      } else {
        size_[rank_] = x.size[axis];
        stride_[rank_++] = x.stride[axis];
      }
    }
  }

  std::int64_t count() const { return count_; }
  std::int64_t length() const { return length_; }
  std::int64_t offset(std::int64_t index) const {
    std::int64_t offset = 0;
    for (int axis = rank_ - 1; axis > 0; --axis) {
      offset += index % size_[axis] * stride_[axis];
      index /= size_[axis];
    }
    return rank_ > 0 ? offset + index * stride_[0] : 0;
  }

 private:
  std::int64_t length_, count_ = 1;
  int rank_ = 0;
  std::int64_t size_[kMaxRank] = {}, stride_[kMaxRank] = {};
};

/// Calls body(index, offset in x) for every row, in parallel, `work` being about an element's cost in simple
/// operations.
template <class Body>
void for_rows(const View& x, std::int64_t work, Body&& body) {
  constexpr std::int64_t kWork = 1 << 15;  // operations that are worth a task
  const Rows rows(x);
  const std::int64_t grain =
      std::max<std::int64_t>(1, kWork / std::max<std::int64_t>(1, rows.length() * work));
  parallel_for(rows.count(), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(i, rows.offset(i));
  });
}

}  // namespace tsr
