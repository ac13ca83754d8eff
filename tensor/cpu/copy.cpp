// copy and fill: strided, broadcasting, converting.
#include <algorithm>

#include "tensor/cpu/convert.h"
#include "tensor/kernels.h"
#include "tensor/strided.h"

namespace tsr {
namespace {

template <class T>
inline constexpr bool kHalf = is_low_precision(dtype_of<T>);

/// Copies a dense row where that is faster than element by element; false where it isn't.
template <class From, class To>
bool copy_dense(const From* from, std::int64_t count, To* to) {
  if constexpr (std::is_same_v<From, To>) {
    std::copy_n(from, count, to);
  } else if constexpr (kHalf<From> && std::is_same_v<To, float>) {
    cpu::widen(from, count, to);
  } else if constexpr (std::is_same_v<From, float> && kHalf<To>) {
    cpu::round(from, count, to);
  } else {
    return false;
  }
  return true;
}

template <class From, class To>
void copy_rows(const View& x, const View& y) {
  const auto* source = x.as<From>();
  auto* target = y.as<To>();
  for_each_row<2>({&x, &y}, [&](const std::array<std::int64_t, 2>& offset, const RowStrides<2>& stride,
                                std::int64_t count) {
    const From* from = source + offset[0];
    To* to = target + offset[1];
    if (stride[0] == 1 && stride[1] == 1 && copy_dense(from, count, to)) return;
    for (std::int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_same_v<To, bool>) {
        to[i * stride[1]] = from[i * stride[0]] != From{};
      } else {
        to[i * stride[1]] = static_cast<To>(from[i * stride[0]]);
      }
    }
  });
}

template <class From>
void copy_cpu(Context&, View x, View y) {
  with_dtype(y.dtype, [&](auto type) { copy_rows<From, decltype(type)>(x, y); });
}

template <class T>
void fill_cpu(Context&, View y, double value) {
  T* target = y.as<T>();
  for_each_row<1>(
      {&y}, [&](const std::array<std::int64_t, 1>& offset, const RowStrides<1>& stride, std::int64_t count) {
        T* to = target + offset[0];
        for (std::int64_t i = 0; i < count; ++i) to[i * stride[0]] = static_cast<T>(value);
      });
}

TSR_CPU_KERNEL(copy_fwd, copy_cpu, float, double, BFloat16, Float16, std::int64_t, std::int32_t, std::uint8_t,
               bool);
TSR_CPU_KERNEL(fill_fwd, fill_cpu, float, double, BFloat16, Float16, std::int64_t, std::int32_t, std::uint8_t,
               bool);

}  // namespace
}  // namespace tsr
