#include "tensor/tensor.h"

#include <cstring>

#include "tensor/backend.h"
#include "tensor/kernels.h"

namespace tsr {

Tensor::Tensor(const Shape& shape, DType dtype, Device device) : body_(std::make_shared<Body>()) {
  for (std::int64_t size : shape) TSR_CHECK(size >= 0, "empty: negative size in shape ", shape);
  body_->storage = std::make_shared<Storage>();
  body_->storage->block = Block(device, static_cast<std::size_t>(shape.numel() * size_of(dtype)));
  body_->shape = shape;
  body_->strides = dense_strides(shape);
  body_->dtype = dtype;
}

Tensor::Tensor(std::shared_ptr<Storage> storage, std::int64_t offset, const Shape& shape,
               const Shape& strides, DType dtype)
    : body_(std::make_shared<Body>()) {
  body_->storage = std::move(storage);
  body_->offset = offset;
  body_->shape = shape;
  body_->strides = strides;
  body_->dtype = dtype;
}

Tensor::Body& Tensor::body() const {
  TSR_CHECK(body_ != nullptr, "tensor: undefined (default-constructed, or a gradient that doesn't exist)");
  return *body_;
}

bool Tensor::is_contiguous() const {
  std::int64_t expected = 1;
  for (int axis = rank() - 1; axis >= 0; --axis) {
    if (shape()[axis] != 1 && strides()[axis] != expected) return false;
    expected *= shape()[axis];
  }
  return true;
}

void* Tensor::raw() const {
  return static_cast<std::byte*>(body().storage->block.data()) + body().offset * size_of(dtype());
}

void Tensor::check_data(DType wanted) const {
  TSR_CHECK(dtype() == wanted, "data: asked for ", wanted, " of a tensor that is ", describe(*this),
            "; convert with to(", wanted, ")");
  TSR_CHECK(device() == Device::cpu, "data: ", describe(*this), " is on ", device(),
            "; copy it to the host with to(Device::cpu)");
}

void Tensor::bump_version(const char* writer) const {
  Storage& storage = *body().storage;
  ++storage.version;
  storage.writer = writer;
}

View Tensor::view() const {
  View view{.data = raw(), .dtype = dtype(), .rank = rank()};
  for (int axis = 0; axis < rank(); ++axis) {
    view.size[axis] = shape()[axis];
    view.stride[axis] = strides()[axis];
  }
  return view;
}

double Tensor::item() const {
  TSR_CHECK(numel() == 1, "item: ", describe(*this), " has ", numel(), " elements; it must have one");
  const Tensor host = to(Device::cpu);
  return with_dtype(dtype(), [&](auto type) { return static_cast<double>(*host.data<decltype(type)>()); });
}

Tensor Tensor::as_strided(const Shape& shape, const Shape& strides, std::int64_t offset) const {
  TSR_ASSERT(shape.rank() == strides.rank());
  return Tensor(body().storage, offset, shape, strides, dtype());
}

Tensor Tensor::detach() const { return as_strided(shape(), strides(), offset()); }

Tensor Tensor::clone() const {
  Tensor copy(shape(), dtype(), device());
  copy_into(copy, *this);
  return copy;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == this->dtype()) return *this;
  Tensor copy(shape(), dtype, device());
  copy_into(copy, *this);
  return copy;
}

Tensor Tensor::to(Device device) const {
  if (device == this->device()) return *this;
  const Tensor dense = is_contiguous() ? *this : clone();
  if (device != Device::cpu && this->device() != Device::cpu) return dense.to(Device::cpu).to(device);
  Tensor copy(shape(), dtype(), device);
  const auto bytes = static_cast<std::size_t>(numel() * size_of(dtype()));
  if (bytes == 0) return copy;
  if (device == Device::cpu) {
    backend(this->device()).to_host(copy.raw(), dense.raw(), bytes);
  } else {
    backend(device).from_host(copy.raw(), dense.raw(), bytes);
  }
  return copy;
}

void Tensor::swap_storage(const Tensor& other) const {
  Body& mine = body();
  const Body& theirs = other.body();
  mine.storage = theirs.storage;
  mine.offset = theirs.offset;
  mine.shape = theirs.shape;
  mine.strides = theirs.strides;
  mine.dtype = theirs.dtype;
}

Tensor empty(const Shape& shape, DType dtype, Device device) { return Tensor(shape, dtype, device); }
Tensor zeros(const Shape& shape, DType dtype, Device device) { return full(shape, 0, dtype, device); }
Tensor ones(const Shape& shape, DType dtype, Device device) { return full(shape, 1, dtype, device); }

Tensor full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor tensor(shape, dtype, device);
  fill_with(tensor, value);
  return tensor;
}

Tensor arange(std::int64_t count, DType dtype) {
  Tensor tensor(Shape{count}, dtype, Device::cpu);
  with_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    T* out = tensor.data<T>();
    for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(i);
  });
  return tensor;
}

Tensor scalar(double value, DType dtype, Device device) { return full(Shape{}, value, dtype, device); }

template <class T>
Tensor from_values(std::span<const T> values, const Shape& shape) {
  TSR_CHECK(static_cast<std::int64_t>(values.size()) == shape.numel(), "from_values: ", values.size(),
            " values for shape ", shape, ", which holds ", shape.numel());
  Tensor tensor(shape, dtype_of<T>, Device::cpu);
  if (!values.empty()) std::memcpy(tensor.raw(), values.data(), values.size_bytes());
  return tensor;
}
template Tensor from_values(std::span<const float>, const Shape&);
template Tensor from_values(std::span<const double>, const Shape&);
template Tensor from_values(std::span<const std::int64_t>, const Shape&);
template Tensor from_values(std::span<const std::int32_t>, const Shape&);
template Tensor from_values(std::span<const std::uint8_t>, const Shape&);

Tensor from_values(std::initializer_list<float> values, const Shape& shape) {
  return from_values(std::span<const float>(values.begin(), values.size()), shape);
}

void copy_into(const Tensor& dst, const Tensor& src) {
  TSR_CHECK(broadcast_shapes("copy", dst.shape(), src.shape()) == dst.shape(), "copy: ", describe(src),
            " doesn't broadcast to the target ", describe(dst));
  TSR_CHECK(dst.device() == src.device(), "copy: source on ", src.device(), ", target on ", dst.device(),
            "; move one with to(device)");
  Context context(dst.device());
  copy_fwd(context, src.view(), dst.view());
  dst.bump_version("copy");
}

void fill_with(const Tensor& dst, double value) {
  Context context(dst.device());
  fill_fwd(context, dst.view(), value);
  dst.bump_version("fill");
}

}  // namespace tsr
