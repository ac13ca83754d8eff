#pragma once
// Pointwise kernels are functions on dense rows; these walks take them over whole tensors.

#include <algorithm>

#include "tensor/kernels.h"
#include "tensor/strided.h"

namespace tsr {

/// Elements packed at a time when a row isn't dense: small enough for the first-level cache.
inline constexpr std::int64_t kPack = 512;

/// A row of an operand, handed out in dense pieces of at most kPack elements.
template <class T>
class PackedRow {
 public:
  PackedRow(const T* row, std::int64_t stride, std::int64_t count) : row_(row), stride_(stride) {
    if (stride == 0) std::fill_n(buffer_, std::min(count, kPack), *row);
  }
  const T* piece(std::int64_t first, std::int64_t count) {
    if (stride_ == 1) return row_ + first;
    if (stride_ != 0)
      for (std::int64_t i = 0; i < count; ++i) buffer_[i] = row_[(first + i) * stride_];
    return buffer_;
  }

 private:
  const T* row_;
  std::int64_t stride_;
  T buffer_[kPack];
};

/// y = f(x): f(const X*, count, Y*) on dense rows, x any, y dense.
template <class X, class Y, class F>
void unary_rows(const View& x, const View& y, F f) {
  const X* source = x.as<X>();
  Y* target = y.as<Y>();
  for_each_row<2>({&x, &y}, [&](const std::array<std::int64_t, 2>& offset, const RowStrides<2>& stride,
                                std::int64_t count) {
    const X* from = source + offset[0];
    Y* to = target + offset[1];
    if (stride[0] == 1) return f(from, count, to);
    PackedRow<X> row(from, stride[0], count);
    for (std::int64_t first = 0; first < count; first += kPack) {
      const std::int64_t n = std::min(kPack, count - first);
      f(row.piece(first, n), n, to + first);
    }
  });
}

/// y = f(a, b): f(const X*, const X*, count, Y*) on dense rows, a and b any, y dense.
template <class X, class Y, class F>
void binary_rows(const View& a, const View& b, const View& y, F f) {
  const X* left = a.as<X>();
  const X* right = b.as<X>();
  Y* target = y.as<Y>();
  for_each_row<3>({&a, &b, &y}, [&](const std::array<std::int64_t, 3>& offset, const RowStrides<3>& stride,
                                    std::int64_t count) {
    const X* from_a = left + offset[0];
    const X* from_b = right + offset[1];
    Y* to = target + offset[2];
    if (stride[0] == 1 && stride[1] == 1) return f(from_a, from_b, count, to);
    PackedRow<X> row_a(from_a, stride[0], count), row_b(from_b, stride[1], count);
    for (std::int64_t first = 0; first < count; first += kPack) {
      const std::int64_t n = std::min(kPack, count - first);
      f(row_a.piece(first, n), row_b.piece(first, n), n, to + first);
    }
  });
}

}  // namespace tsr

// One line a slot: takes the row functions name_f32 and name_f64 of all instruction sets (pointwise-inl.h)
// and registers the walks that pick among them.
#define TSR_UNARY_SLOT(name, slot)                                        \
  HWY_EXPORT(name##_f32);                                                 \
  HWY_EXPORT(name##_f64);                                                 \
  const int register_##name = [] {                                        \
    slot.add(Device::cpu, float32, [](Context&, View x, View y) {         \
      unary_rows<float, float>(x, y, HWY_DYNAMIC_DISPATCH(name##_f32));   \
    });                                                                   \
    slot.add(Device::cpu, float64, [](Context&, View x, View y) {         \
      unary_rows<double, double>(x, y, HWY_DYNAMIC_DISPATCH(name##_f64)); \
    });                                                                   \
    return 0;                                                             \
  }();
#define TSR_BINARY_SLOT(name, slot)                                           \
  HWY_EXPORT(name##_f32);                                                     \
  HWY_EXPORT(name##_f64);                                                     \
  const int register_##name = [] {                                            \
    slot.add(Device::cpu, float32, [](Context&, View a, View b, View y) {     \
      binary_rows<float, float>(a, b, y, HWY_DYNAMIC_DISPATCH(name##_f32));   \
    });                                                                       \
    slot.add(Device::cpu, float64, [](Context&, View a, View b, View y) {     \
      binary_rows<double, double>(a, b, y, HWY_DYNAMIC_DISPATCH(name##_f64)); \
    });                                                                       \
    return 0;                                                                 \
  }();
#define TSR_SCALAR_SLOT(name, slot)                                                          \
  HWY_EXPORT(name##_f32);                                                                    \
  HWY_EXPORT(name##_f64);                                                                    \
  const int register_##name = [] {                                                           \
    slot.add(Device::cpu, float32, [](Context&, View x, View y, double number) {             \
      unary_rows<float, float>(x, y, [=](const float* from, std::int64_t n, float* to) {     \
        HWY_DYNAMIC_DISPATCH(name##_f32)(from, n, to, number);                               \
      });                                                                                    \
    });                                                                                      \
    slot.add(Device::cpu, float64, [](Context&, View x, View y, double number) {             \
      unary_rows<double, double>(x, y, [=](const double* from, std::int64_t n, double* to) { \
        HWY_DYNAMIC_DISPATCH(name##_f64)(from, n, to, number);                               \
      });                                                                                    \
    });                                                                                      \
    return 0;                                                                                \
  }();
