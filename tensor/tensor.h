#pragma once
// Tensor: a cheap handle on a strided window of shared storage.

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/allocator.h"
#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/view.h"

namespace tsr {

/// What autograd hangs on a tensor; the tensor layer only carries it.
struct AutogradState {
  virtual ~AutogradState() = default;
};

/// Memory shared by the tensors that view it. `version` counts in-place writes, `writer` names the last one.
struct Storage {
  Block block;
  std::uint64_t version = 0;
  const char* writer = "";
};

/// A handle: copies share data, gradient and version. Everything that computes is a free function
/// (autograd/ops.h); methods tell about the tensor or move it.
class Tensor {
 public:
  /// An undefined tensor; only defined() may be asked of it.
  Tensor() = default;
  /// Uninitialised dense tensor. See empty() below for the usual spelling.
  Tensor(const Shape& shape, DType dtype, Device device);
  /// A window on shared storage; offset and strides in elements.
  Tensor(std::shared_ptr<Storage> storage, std::int64_t offset, const Shape& shape, const Shape& strides,
         DType dtype);

  bool defined() const { return body_ != nullptr; }
  const Shape& shape() const { return body().shape; }
  const Shape& strides() const { return body().strides; }
  std::int64_t offset() const { return body().offset; }
  int rank() const { return shape().rank(); }
  /// Size along an axis; negative axes count from the end.
  std::int64_t size(std::int64_t axis) const { return shape()[normalize_axis("size", axis, rank())]; }
  std::int64_t numel() const { return shape().numel(); }
  DType dtype() const { return body().dtype; }
  Device device() const { return body().storage->block.device(); }
  /// Whether the elements lie row-major without gaps.
  bool is_contiguous() const;
  const std::shared_ptr<Storage>& storage() const { return body().storage; }
  std::uint64_t version() const { return body().storage->version; }
  /// Counts an in-place write by the op named; whoever writes calls it.
  void bump_version(const char* writer) const;

  /// What a kernel sees.
  View view() const;
  /// First element as T; throws Error unless T is the dtype and the data is in host memory.
  template <class T>
  T* data() const {
    check_data(dtype_of<T>);
    return static_cast<T*>(raw());
  }
  void* raw() const;
  /// The value of a tensor with one element, converted to double. Throws Error for more than one.
  double item() const;

  /// A window with other shape and strides (elements) on the same storage, unknown to autograd.
  Tensor as_strided(const Shape& shape, const Shape& strides, std::int64_t offset) const;
  /// The same window, unknown to autograd: no gradient flows through it.
  Tensor detach() const;
  /// A dense copy of a tensor, unknown to autograd.
  Tensor clone() const;
  /// A dense copy in another dtype (the tensor itself when it already has it), unknown to autograd.
  Tensor to(DType dtype) const;
  /// A dense copy on another device (the tensor itself when it is there), unknown to autograd.
  Tensor to(Device device) const;
  /// Makes this handle, and all its copies, show what `other` holds: how optimisers' handles stay valid.
  void swap_storage(const Tensor& other) const;

  bool is_same(const Tensor& other) const { return body_ == other.body_; }
  std::shared_ptr<AutogradState>& autograd() const { return body().autograd; }

  // Autograd's accessors, defined in autograd/tape.cpp.
  bool requires_grad() const;
  /// Marks a leaf as wanting a gradient; throws Error for a non-leaf or a non-floating dtype.
  Tensor& requires_grad_(bool value = true);
  /// The accumulated gradient; undefined before the first backward.
  Tensor grad() const;
  void set_grad(Tensor grad) const;
  /// Accumulates gradients of this scalar into the leaves; see backward() in autograd/tape.h.
  void backward() const;

 private:
  struct Body {
    std::shared_ptr<Storage> storage;
    std::int64_t offset = 0;
    Shape shape, strides;
    DType dtype = DType::float32;
    std::shared_ptr<AutogradState> autograd;
  };
  Body& body() const;
  void check_data(DType wanted) const;

  std::shared_ptr<Body> body_;

  friend struct TensorAccess;
};

using Tensors = std::vector<Tensor>;

Tensor empty(const Shape& shape, DType dtype = float32, Device device = Device::cpu);
Tensor zeros(const Shape& shape, DType dtype = float32, Device device = Device::cpu);
Tensor ones(const Shape& shape, DType dtype = float32, Device device = Device::cpu);
Tensor full(const Shape& shape, double value, DType dtype = float32, Device device = Device::cpu);
/// 0, 1, …, count-1.
Tensor arange(std::int64_t count, DType dtype = int64);
Tensor scalar(double value, DType dtype = float32, Device device = Device::cpu);
/// Copies host values; throws Error unless their count is shape.numel().
template <class T>
Tensor from_values(std::span<const T> values, const Shape& shape);
template <class T>
Tensor from_values(const std::vector<T>& values, const Shape& shape) {
  return from_values(std::span<const T>(values), shape);
}
/// from_values({1, 2, 3, 4}, {2, 2}): float32.
Tensor from_values(std::initializer_list<float> values, const Shape& shape);

/// Writes values in place, converting dtypes and broadcasting src; bumps dst's version. Unknown to autograd.
void copy_into(const Tensor& dst, const Tensor& src);
void fill_with(const Tensor& dst, double value);

/// Prints dtype, shape and values, large ones abbreviated: "float32[2, 3] {{1, 2, 3}, {4, 5, 6}}".
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);
/// "float32[2, 3]", for messages.
std::string describe(const Tensor& tensor);

}  // namespace tsr
