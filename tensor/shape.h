#pragma once
// Shape: at most eight sizes (or strides), held inline.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>

#include "tensor/error.h"

namespace tsr {

inline constexpr int kMaxRank = 8;

/// A list of up to eight int64: sizes, strides or axes. Throws Error beyond eight.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}
  explicit Shape(std::span<const std::int64_t> sizes);

  int rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  /// The product of the sizes; 1 for a scalar.
  std::int64_t numel() const;

  std::int64_t operator[](int axis) const { return sizes_[axis]; }
  std::int64_t& operator[](int axis) { return sizes_[axis]; }
  std::int64_t back() const { return sizes_[rank_ - 1]; }
  const std::int64_t* begin() const { return sizes_.data(); }
  const std::int64_t* end() const { return sizes_.data() + rank_; }

  void push_back(std::int64_t size);
  void insert(int axis, std::int64_t size);
  void erase(int axis);
  bool operator==(const Shape& other) const;

 private:
  std::array<std::int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// Row-major strides of a dense tensor of this shape.
Shape dense_strides(const Shape& shape);

/// The shape that NumPy's broadcasting gives; throws Error naming `op` when a and b don't fit.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

/// Turns a possibly negative axis into 0 … rank-1; throws Error naming `op` when it is out of range.
int normalize_axis(const char* op, std::int64_t axis, int rank);

}  // namespace tsr
