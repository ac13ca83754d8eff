// Tensors as values: handles, views, printing, memory and errors.
#include "tensor/tensor.h"

#include <cmath>
#include <doctest/doctest.h>
#include <sstream>

namespace tsr {
namespace {

std::string printed(const Tensor& tensor) {
  std::ostringstream out;
  out << tensor;
  return out.str();
}

TEST_CASE("a handle shares, a clone doesn't") {
  const Tensor x = from_values({1, 2, 3, 4}, {2, 2});
  Tensor handle;
  handle = x;
  const Tensor copy = x.clone(), window = x.as_strided({2}, {2}, 1);
  x.data<float>()[1] = 9;
  CHECK(handle.is_same(x));
  CHECK(handle.data<float>()[1] == 9);
  CHECK(window.data<float>()[0] == 9);
  CHECK(copy.data<float>()[1] == 2);
  CHECK_FALSE(x.detach().is_same(x));
  CHECK(x.detach().storage() == x.storage());
  CHECK(x.to(float32).is_same(x));
}

TEST_CASE("writing in place counts a version for all who share") {
  const Tensor x = zeros({4}), window = x.as_strided({2}, {1}, 2);
  const auto before = x.version();
  fill_with(window, 3);
  CHECK(x.version() == before + 1);
  CHECK(x.data<float>()[1] == 0);
  CHECK(x.data<float>()[3] == 3);
  copy_into(x, scalar(7, int64));
  CHECK(window.version() == before + 2);
  CHECK(window.data<float>()[1] == 7);
}

TEST_CASE("copies follow any strides, broadcast and convert") {
  const Tensor x = from_values({1, 2, 3, 4, 5, 6}, {2, 3});
  const Tensor turned = x.as_strided({3, 2}, {1, 3}, 0);
  const Tensor dense = turned.clone();
  const float expected[] = {1, 4, 2, 5, 3, 6};
  for (int i = 0; i < 6; ++i) CHECK(dense.data<float>()[i] == expected[i]);
  const Tensor target = zeros({2, 3}, int64);
  copy_into(target, from_values({1.9f, -2.9f, 0}, {3}));
  CHECK(target.data<std::int64_t>()[3] == 1);
  CHECK(target.data<std::int64_t>()[4] == -2);
}

TEST_CASE("swap_storage changes what every copy of the handle shows") {
  Tensor x = zeros({2});
  Tensor copy;
  copy = x;
  x.swap_storage(from_values({1, 2, 3}, {3}));
  CHECK(copy.shape() == Shape{3});
  CHECK(copy.data<float>()[2] == 3);
}

TEST_CASE("contiguity") {
  const Tensor x = zeros({2, 3, 4});
  CHECK(x.is_contiguous());
  CHECK_FALSE(x.as_strided({2, 4}, {12, 1}, 0).is_contiguous());
  CHECK(x.as_strided({1, 4}, {99, 1}, 8).is_contiguous());
  CHECK_FALSE(x.as_strided({3}, {0}, 0).is_contiguous());
  CHECK(zeros({0, 3}).is_contiguous());
  CHECK(scalar(1).is_contiguous());
}

TEST_CASE("a tensor prints itself") {
  CHECK(printed(from_values({1, 2.5f, -3, 4}, {2, 2})) == "float32[2, 2] {{1, 2.5}, {-3, 4}}");
  CHECK(printed(scalar(NAN, float64)) == "float64[] nan");
  CHECK(printed(zeros({0})) == "float32[0] {}");
  CHECK(printed(from_values(std::vector<std::uint8_t>{7, 65}, {2})) == "uint8[2] {7, 65}");
  CHECK(printed(ones({2}, boolean)) == "bool[2] {true, true}");
  CHECK(printed(scalar(1.5, bfloat16)) == "bfloat16[] 1.5");
  CHECK(printed(arange(2000)) == "int64[2000] {0, 1, 2, …, 1997, 1998, 1999}");
  CHECK(printed(Tensor()) == "undefined tensor");
  const Tensor turned = from_values({1, 2, 3, 4}, {2, 2}).as_strided({2, 2}, {1, 2}, 0);
  CHECK(printed(turned) == "float32[2, 2] {{1, 3}, {2, 4}}");
}

TEST_CASE("memory is counted, aligned and reused") {
  Allocator& memory = allocator(Device::cpu);
  const MemoryStats before = memory.stats();
  memory.reset_peak();
  {
    const Tensor x = empty({1000}), y = empty({3}, float64);
    CHECK(reinterpret_cast<std::uintptr_t>(x.raw()) % 64 == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(y.raw()) % 64 == 0);
    CHECK(memory.stats().live_bytes >= before.live_bytes + 4000 + 24);
    const Tensor view = x.as_strided({10}, {1}, 5);
    CHECK(memory.stats().live_bytes <= before.live_bytes + 4000 + 24 + 1024);
  }
  const MemoryStats after = memory.stats();
  CHECK(after.live_bytes == before.live_bytes);
  CHECK(after.peak_bytes >= before.live_bytes + 4024);
  void* first = nullptr;
  {
    const Tensor x = empty({1 << 20});
    first = x.raw();
  }
  const Tensor again = empty({1 << 20});
  CHECK(again.raw() == first);
  memory.trim();
  CHECK(memory.stats().cached_bytes == 0);
}

TEST_CASE("shapes: limits, broadcasting and negative axes") {
  CHECK(broadcast_shapes("t", {4, 1, 3}, {2, 1}) == Shape{4, 2, 3});
  CHECK(broadcast_shapes("t", {}, {0}) == Shape{0});
  CHECK(zeros({2, 3}).size(-1) == 3);
  CHECK(dense_strides({2, 3, 4}) == Shape{12, 4, 1});
  CHECK(Shape{}.numel() == 1);
  CHECK_THROWS_WITH_AS((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), "shape: 9 axes given; a tensor has at most 8",
                       Error);
  Shape full{1, 1, 1, 1, 1, 1, 1, 1};
  CHECK_THROWS_AS(full.push_back(1), Error);
}

TEST_CASE("misuse is named") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_WITH_AS(x.data<double>(),
                       "data: asked for float64 of a tensor that is float32[2, 3]; convert with to(float64)",
                       Error);
  CHECK_THROWS_WITH_AS(x.item(), "item: float32[2, 3] has 6 elements; it must have one", Error);
  CHECK_THROWS_WITH_AS(Tensor().shape(),
                       "tensor: undefined (default-constructed, or a gradient that doesn't exist)", Error);
  CHECK_THROWS_WITH_AS(empty({2, -1}), "empty: negative size in shape [2, -1]", Error);
  CHECK_THROWS_WITH_AS(from_values({1, 2}, {3}), "from_values: 2 values for shape [3], which holds 3", Error);
  CHECK_THROWS_WITH_AS(copy_into(x, zeros({4})), doctest::Contains("don't broadcast"), Error);
  CHECK_THROWS_WITH_AS(x.size(2), "size: axis 2 is out of range for a tensor of 2 axes (-2 to 1)", Error);
}

}  // namespace
}  // namespace tsr
