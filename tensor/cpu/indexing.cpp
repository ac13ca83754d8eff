// index_select, gather and their adjoints. An adjoint adds what meets in one place in rising order of j.
#include <algorithm>
#include <cstring>

#include "tensor/kernels.h"
#include "tensor/parallel.h"

namespace tsr {
namespace {

constexpr std::int64_t kIndexTask = 1 << 14;  // elements that are worth a task

std::int64_t grain_for(std::int64_t elements) {
  return std::max<std::int64_t>(1, kIndexTask / std::max<std::int64_t>(1, elements));
}

template <class T>
void index_select_cpu(Context&, View x, View index, View y) {
  const T* source = x.as<T>();
  const auto* from = index.as<std::int64_t>();
  T* target = y.as<T>();
  const std::int64_t rows = x.size[1], picked = y.size[1], inner = y.size[2];
  parallel_for(y.size[0] * picked, grain_for(inner), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* row = source + (i / picked * rows + from[i % picked]) * inner;
      std::copy_n(row, inner, target + i * inner);
    }
  });
}

/// The j that meet in each row of the result, in rising order: those of row r are order[start[r]] up to
/// order[start[r + 1]]. A counting sort.
struct Meeting {
  std::int64_t* start;
  std::int64_t* order;

  Meeting(Context& context, const std::int64_t* index, std::int64_t count, std::int64_t rows)
      : start(context.workspace_of<std::int64_t>(static_cast<std::size_t>(rows + 2))),
        order(context.workspace_of<std::int64_t>(static_cast<std::size_t>(count))) {
    std::fill_n(start, rows + 2, 0);
    for (std::int64_t j = 0; j < count; ++j) ++start[index[j] + 2];
    for (std::int64_t r = 2; r < rows + 2; ++r) start[r] += start[r - 1];
    for (std::int64_t j = 0; j < count; ++j) order[start[index[j] + 1]++] = j;
  }
};

template <class T>
void index_add_cpu(Context& context, View grad, View index, View y) {
  const T* source = grad.as<T>();
  T* target = y.as<T>();
  const std::int64_t rows = y.size[1], added = grad.size[1], inner = y.size[2];
  const Meeting meeting(context, index.as<std::int64_t>(), added, rows);
  parallel_for(y.size[0] * rows, grain_for(inner), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      T* sum = target + i * inner;
      std::fill_n(sum, inner, T{});
      const std::int64_t outer = i / rows, row = i % rows;
      for (std::int64_t m = meeting.start[row]; m < meeting.start[row + 1]; ++m) {
        const T* part = source + (outer * added + meeting.order[m]) * inner;
        for (std::int64_t k = 0; k < inner; ++k) sum[k] += part[k];
      }
    }
  });
}

template <class T>
void gather_cpu(Context&, View x, View index, View y) {
  const T* source = x.as<T>();
  const auto* from = index.as<std::int64_t>();
  T* target = y.as<T>();
  const std::int64_t rows = x.size[1], picked = y.size[1], inner = y.size[2];
  parallel_for(y.size[0] * picked, grain_for(inner), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* base = source + i / picked * rows * inner;
      for (std::int64_t k = 0; k < inner; ++k) target[i * inner + k] = base[from[i * inner + k] * inner + k];
    }
  });
}

template <class T>
void scatter_add_cpu(Context&, View grad, View index, View y) {
  const T* source = grad.as<T>();
  const auto* to = index.as<std::int64_t>();
  T* target = y.as<T>();
  const std::int64_t rows = y.size[1], added = grad.size[1], inner = y.size[2];
  // a task owns some columns of one outer position, so that nobody else adds there
  const std::int64_t width = std::max<std::int64_t>(1, std::min(inner, grain_for(added)));
  const std::int64_t pieces = (inner + width - 1) / width;
  const std::int64_t grain = grain_for(std::max(added, rows) * width);
  parallel_for(y.size[0] * pieces, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t outer = i / pieces, first = i % pieces * width,
                         last = std::min(inner, first + width);
      T* sums = target + outer * rows * inner;
      for (std::int64_t row = 0; row < rows; ++row)
        std::fill(sums + row * inner + first, sums + row * inner + last, T{});
      for (std::int64_t j = 0; j < added; ++j)
        for (std::int64_t k = first, at = (outer * added + j) * inner + first; k < last; ++k, ++at)
          sums[to[at] * inner + k] += source[at];
    }
  });
}

TSR_CPU_KERNEL(index_select_fwd, index_select_cpu, float, double, BFloat16, Float16, std::int64_t,
               std::int32_t, std::uint8_t, bool);
TSR_CPU_KERNEL(gather_fwd, gather_cpu, float, double, BFloat16, Float16, std::int64_t, std::int32_t,
               std::uint8_t, bool);
TSR_CPU_KERNEL(index_add_fwd, index_add_cpu, float, double, std::int64_t, std::int32_t);
TSR_CPU_KERNEL(scatter_add_fwd, scatter_add_cpu, float, double, std::int64_t, std::int32_t);

}  // namespace
}  // namespace tsr
