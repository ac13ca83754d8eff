// How a tensor shows itself.
#include <iomanip>
#include <ostream>

#include "tensor/tensor.h"

namespace tsr {
namespace {

constexpr std::int64_t kEdge = 3;      // items shown at each end of a long axis
constexpr std::int64_t kWhole = 1000;  // tensors up to this many elements are shown whole

void print_value(std::ostream& out, const Tensor& tensor, std::int64_t offset) {
  with_dtype(tensor.dtype(), [&](auto type) {
    using T = decltype(type);
    const T value = tensor.data<T>()[offset];
    if constexpr (std::is_same_v<T, bool>) {
      out << (value ? "true" : "false");
    } else if constexpr (std::is_integral_v<T>) {
      out << static_cast<std::int64_t>(value);
    } else {
      out << static_cast<double>(value);
    }
  });
}

void print_axis(std::ostream& out, const Tensor& tensor, int axis, std::int64_t offset, bool abbreviate) {
  if (axis == tensor.rank()) return print_value(out, tensor, offset);
  const std::int64_t size = tensor.shape()[axis];
  out << '{';
  for (std::int64_t i = 0; i < size; ++i) {
    if (i > 0) out << ", ";
    if (abbreviate && size > 2 * kEdge && i == kEdge) {
      out << "…, ";
      i = size - kEdge;
    }
    print_axis(out, tensor, axis + 1, offset + i * tensor.strides()[axis], abbreviate);
  }
  out << '}';
}

}  // namespace

std::string describe(const Tensor& tensor) {
  return tensor.defined() ? text(tensor.dtype(), tensor.shape()) : "undefined tensor";
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  if (!tensor.defined()) return out << "undefined tensor";
  const auto precision = out.precision(5);
  out << describe(tensor) << ' ';
  print_axis(out, tensor.to(Device::cpu), 0, 0, tensor.numel() > kWhole);
  out.precision(precision);
  return out;
}

}  // namespace tsr
