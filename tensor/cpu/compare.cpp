// Comparisons and where.
#include "tensor/cpu/strided.h"
#include "tensor/kernels.h"

namespace tsr {
namespace {

template <class T, class Compare>
void compare(const View& a, const View& b, const View& y, Compare holds) {
  const T* left = a.as<T>();
  const T* right = b.as<T>();
  bool* target = y.as<bool>();
  for_each_row<3>({&a, &b, &y}, [&](const std::array<std::int64_t, 3>& offset, const RowStrides<3>& stride,
                                    std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i)
      target[offset[2] + i] = holds(left[offset[0] + i * stride[0]], right[offset[1] + i * stride[1]]);
  });
}

template <class T>
void eq_cpu(Context&, View a, View b, View y) {
  compare<T>(a, b, y, [](T p, T q) { return p == q; });
}
template <class T>
void lt_cpu(Context&, View a, View b, View y) {
  compare<T>(a, b, y, [](T p, T q) { return p < q; });
}
template <class T>
void le_cpu(Context&, View a, View b, View y) {
  compare<T>(a, b, y, [](T p, T q) { return p <= q; });
}

template <class T>
void where_cpu(Context&, View a, View b, View condition, View y) {
  const T* left = a.as<T>();
  const T* right = b.as<T>();
  const bool* chosen = condition.as<bool>();
  T* target = y.as<T>();
  for_each_row<4>({&a, &b, &condition, &y}, [&](const std::array<std::int64_t, 4>& offset,
                                                const RowStrides<4>& stride, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i)
      target[offset[3] + i] = chosen[offset[2] + i * stride[2]] ? left[offset[0] + i * stride[0]]
                                                                : right[offset[1] + i * stride[1]];
  });
}

TSR_CPU_KERNEL(eq_fwd, eq_cpu, float, double, std::int64_t, std::int32_t, std::uint8_t, bool);
TSR_CPU_KERNEL(lt_fwd, lt_cpu, float, double, std::int64_t, std::int32_t, std::uint8_t);
TSR_CPU_KERNEL(le_fwd, le_cpu, float, double, std::int64_t, std::int32_t, std::uint8_t);
TSR_CPU_KERNEL(where_fwd, where_cpu, float, double, std::int64_t);

}  // namespace
}  // namespace tsr
