// Comparisons, logic and where.
#include <bit>

#include "tensor/cpu/pointwise.h"

namespace tsr {
namespace {

template <class T, class Compare>
void compare(const View& a, const View& b, const View& y, Compare holds) {
  binary_rows<T, bool>(a, b, y, [holds](const T* p, const T* q, std::int64_t count, bool* to) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = holds(p[i], q[i]);
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
void logical_and_cpu(Context&, View a, View b, View y) {
  compare<T>(a, b, y, [](T p, T q) { return (p & q) != 0; });
}
template <class T>
void logical_or_cpu(Context&, View a, View b, View y) {
  compare<T>(a, b, y, [](T p, T q) { return (p | q) != 0; });
}
template <class T>
void logical_xor_cpu(Context&, View a, View b, View y) {
  compare<T>(a, b, y, [](T p, T q) { return p != q; });
}
template <class T>
void logical_not_cpu(Context&, View x, View y) {
  unary_rows<T, T>(x, y, [](const T* from, std::int64_t count, T* to) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = !from[i];
  });
}

template <std::size_t Bytes>
struct BitsOf;
template <>
struct BitsOf<1> {
  using Type = std::uint8_t;
};
template <>
struct BitsOf<4> {
  using Type = std::uint32_t;
};
template <>
struct BitsOf<8> {
  using Type = std::uint64_t;
};

/// chosen ? a : b without a branch, which a random mask would have mispredicted half of the time.
template <class T>
T choose(bool chosen, T a, T b) {
  using Bits = typename BitsOf<sizeof(T)>::Type;
  const Bits mask = static_cast<Bits>(-static_cast<Bits>(chosen));
  return std::bit_cast<T>(
      static_cast<Bits>((std::bit_cast<Bits>(a) & mask) | (std::bit_cast<Bits>(b) & ~mask)));
}

template <class T>
void where_cpu(Context&, View a, View b, View condition, View y) {
  const T* left = a.as<T>();
  const T* right = b.as<T>();
  const bool* chosen = condition.as<bool>();
  T* target = y.as<T>();
  for_each_row<4>({&a, &b, &condition, &y}, [&](const std::array<std::int64_t, 4>& offset,
                                                const RowStrides<4>& stride, std::int64_t count) {
    const T* from_a = left + offset[0];
    const T* from_b = right + offset[1];
    const bool* from = chosen + offset[2];
    T* to = target + offset[3];
    for (std::int64_t i = 0; i < count; ++i)
      to[i] = choose(from[i * stride[2]], from_a[i * stride[0]], from_b[i * stride[1]]);
  });
}

TSR_CPU_KERNEL(eq_fwd, eq_cpu, float, double, std::int64_t, std::int32_t, std::uint8_t, bool);
TSR_CPU_KERNEL(lt_fwd, lt_cpu, float, double, std::int64_t, std::int32_t, std::uint8_t);
TSR_CPU_KERNEL(le_fwd, le_cpu, float, double, std::int64_t, std::int32_t, std::uint8_t);
TSR_CPU_KERNEL(logical_and_fwd, logical_and_cpu, bool);
TSR_CPU_KERNEL(logical_or_fwd, logical_or_cpu, bool);
TSR_CPU_KERNEL(logical_xor_fwd, logical_xor_cpu, bool);
TSR_CPU_KERNEL(logical_not_fwd, logical_not_cpu, bool);
TSR_CPU_KERNEL(where_fwd, where_cpu, float, double, std::int64_t, std::int32_t, std::uint8_t, bool);

}  // namespace
}  // namespace tsr
