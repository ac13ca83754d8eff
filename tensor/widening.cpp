#include "tensor/widening.h"

#include <algorithm>

#include "tensor/kernels.h"

namespace tsr {
namespace {

bool repeats(const View& view, int axis) { return view.stride[axis] == 0 && view.size[axis] > 1; }

/// The view in float32, dense but for the axes that repeat; its data is still to be found. `count` becomes
/// the elements it has in memory.
View stand_in(const View& view, std::int64_t& count) {
  View wide = view;
  wide.dtype = float32;
  count = 1;
  for (int axis = view.rank - 1; axis >= 0; --axis) {
    wide.stride[axis] = repeats(view, axis) ? 0 : count;
    if (!repeats(view, axis)) count *= view.size[axis];
  }
  return wide;
}

/// Each element in memory once.
View without_repeats(View view) {
  for (int axis = 0; axis < view.rank; ++axis)
    if (repeats(view, axis)) view.size[axis] = 1;
  return view;
}

}  // namespace

View Widening::read(const View& view) {
  if (!is_low_precision(view.dtype)) return view;
  std::int64_t count = 0;
  View wide = stand_in(view, count);
  wide.data = context_.workspace_of<float>(static_cast<std::size_t>(count));
  copy_fwd(context_, without_repeats(view), without_repeats(wide));
  return wide;
}

View Widening::write(const View& view) {
  if (!is_low_precision(view.dtype)) return view;
  TSR_ASSERT(count_ < kMostResults);
  std::int64_t count = 0;
  View wide = stand_in(view, count);
  wide.data = context_.workspace_of<float>(static_cast<std::size_t>(count));
  results_[count_++] = {wide, view};
  return wide;
}

void Widening::round() {
  for (int i = 0; i < count_; ++i) copy_fwd(context_, results_[i].wide, results_[i].narrow);
}

WideningBlocks::WideningBlocks(const View& result) : rank_(result.rank) {
  constexpr std::int64_t kElements = 1 << 14;
  std::copy_n(result.size, rank_, size_);
  std::int64_t inner = result.numel();  // places below one position of `axis_`
  if (inner <= kElements) return;       // one block: part() leaves views alone
  for (axis_ = 0; inner > kElements * size_[axis_]; ++axis_) {
    inner /= size_[axis_];
    outer_ *= size_[axis_];
  }
  inner /= size_[axis_];
  chunk_ = kElements / inner;
  chunks_ = (size_[axis_] + chunk_ - 1) / chunk_;
}

View WideningBlocks::part(const View& view, std::int64_t index) const {
  if (chunk_ == 0 || view.data == nullptr) return view;
  View part = view;
  std::int64_t offset = 0;
  const auto narrow = [&](int axis, std::int64_t first, std::int64_t count) {
    const int own = axis - (rank_ - view.rank);
    if (own < 0 || view.size[own] == 1) return;
    offset += first * view.stride[own];
    part.size[own] = count;
  };
  const std::int64_t first = index % chunks_ * chunk_;
  narrow(axis_, first, std::min(chunk_, size_[axis_] - first));
  index /= chunks_;
  for (int axis = axis_ - 1; axis >= 0; --axis) {
    narrow(axis, index % size_[axis], 1);
    index /= size_[axis];
  }
  part.data = static_cast<std::byte*>(view.data) + offset * size_of(view.dtype);
  return part;
}

}  // namespace tsr
