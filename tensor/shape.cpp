#include "tensor/shape.h"

#include <algorithm>
#include <ostream>

namespace tsr {

Shape::Shape(std::span<const std::int64_t> sizes) : rank_(static_cast<int>(sizes.size())) {
  TSR_CHECK(sizes.size() <= kMaxRank, "shape: ", sizes.size(), " axes given; a tensor has at most ",
            kMaxRank);
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
}

std::int64_t Shape::numel() const {
  std::int64_t count = 1;
  for (std::int64_t size : *this) count *= size;
  return count;
}

void Shape::push_back(std::int64_t size) { insert(rank_, size); }

void Shape::insert(int axis, std::int64_t size) {
  TSR_CHECK(rank_ < kMaxRank, "shape: a tensor has at most ", kMaxRank, " axes; ", *this, " is full");
  std::copy_backward(sizes_.begin() + axis, sizes_.begin() + rank_, sizes_.begin() + rank_ + 1);
  sizes_[axis] = size;
  ++rank_;
}

void Shape::erase(int axis) {
  TSR_ASSERT(axis >= 0 && axis < rank_);
  std::copy(sizes_.begin() + axis + 1, sizes_.begin() + rank_, sizes_.begin() + axis);
  --rank_;
}

bool Shape::operator==(const Shape& other) const { return std::ranges::equal(*this, other); }

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '[';
  for (int i = 0; i < shape.rank(); ++i) out << (i ? ", " : "") << shape[i];
  return out << ']';
}

Shape dense_strides(const Shape& shape) {
  Shape strides = shape;
  std::int64_t step = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  Shape result = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  const int shift = result.rank() - shorter.rank();
  for (int axis = 0; axis < shorter.rank(); ++axis) {
    std::int64_t& size = result[axis + shift];
    const std::int64_t other = shorter[axis];
    TSR_CHECK(size == other || size == 1 || other == 1, op, ": shapes ", a, " and ", b,
              " don't broadcast: sizes ", a[axis + (a.rank() - shorter.rank())], " and ",
              b[axis + (b.rank() - shorter.rank())], " differ and neither is 1");
    if (size == 1) size = other;
  }
  return result;
}

int normalize_axis(const char* op, std::int64_t axis, int rank) {
  TSR_CHECK(axis >= -rank && axis < rank, op, ": axis ", axis, " is out of range for a tensor of ", rank,
            " axes (", -rank, " to ", rank - 1, ")");
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

}  // namespace tsr
