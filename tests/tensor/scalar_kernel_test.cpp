// Scalar functors as kernels: any strides, broadcasting, long rows.
#include "tensor/cpu/scalar_kernel.h"

#include <doctest/doctest.h>

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace tsr::test {
namespace {

// Slots of this program alone.
Kernel<void(Context&, View x, View y)> cube_fwd{"cube_fwd"};
Kernel<void(Context&, View a, View b, View c, View y)> fused_fwd{"fused_fwd"};

struct Cube {
  template <class T>
  T operator()(T x) const {
    return x * x * x;
  }
};

struct Fused {
  template <class T>
  T operator()(T a, T b, T c) const {
    return a * b - c;
  }
};

TSR_SCALAR_KERNEL(cube_fwd, Cube);
TSR_SCALAR_KERNEL(fused_fwd, Fused);

Tensor draw(const Shape& shape, std::uint64_t seed, DType dtype) {
  Generator generator(seed);
  return normal(shape, generator, 0, 1, dtype);
}

/// The same values with the two axes swapped in memory and a gap after each element.
Tensor transposed_with_gaps(const Tensor& x) {
  const std::int64_t rows = x.size(0), columns = x.size(1);
  Tensor result = zeros({2 * rows * columns}, x.dtype()).as_strided({rows, columns}, {2, 2 * rows}, 0);
  copy_into(result, x);
  return result;
}

template <class T>
void check_fused(const Tensor& a, const Tensor& b, const Tensor& c) {
  Context context(Device::cpu);
  const Tensor y = zeros(a.shape(), dtype_of<T>);
  fused_fwd(context, a.view(), b.view(), c.view(), y.view());
  const Tensor left = a.clone(), right = b.clone(), less = c.clone();
  for (std::int64_t row = 0; row < y.size(0); ++row)
    for (std::int64_t column = 0; column < y.size(1); ++column) {
      const std::int64_t i = row * y.size(1) + column;
      const T expected =
          left.data<T>()[i] * right.data<T>()[b.size(0) == 1 ? column : row] - less.data<T>()[i];
      CHECK(y.data<T>()[i] == doctest::Approx(expected).epsilon(1e-6));
    }
}

TEST_CASE_TEMPLATE("a scalar functor takes any strides and broadcasts", T, float, double) {
  const DType dtype = dtype_of<T>;
  const Tensor a = draw({5, 7}, 1, dtype), c = draw({5, 7}, 2, dtype);
  for (const Shape& shape : {Shape{1, 7}, Shape{5, 1}}) {
    const Tensor b = draw(shape, 3, dtype);
    check_fused<T>(a, b, c);
    check_fused<T>(transposed_with_gaps(a), b, c);
    check_fused<T>(transposed_with_gaps(a), b, transposed_with_gaps(c));
  }
}

TEST_CASE("a scalar functor covers empty, single and long rows") {
  for (const std::int64_t count : {0, 1, 16'383, 16'384, 50'001}) {
    const Tensor x = draw({count}, 4, float32), y = zeros({count});
    Context context(Device::cpu);
    cube_fwd(context, x.view(), y.view());
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const float value = x.data<float>()[i];
      wrong += y.data<float>()[i] != value * value * value;
    }
    CAPTURE(count);
    CHECK(wrong == 0);
  }
}

}  // namespace
}  // namespace tsr::test
