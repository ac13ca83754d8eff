// Cases of index_select, gather, their adjoints and embedding.
#include <algorithm>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

using Position = std::array<std::int64_t, 3>;

/// Calls body(position, flat) for each element of a dense tensor of three axes.
void for_each(const Shape& shape, const std::function<void(const Position&, std::int64_t)>& body) {
  std::int64_t flat = 0;
  for (std::int64_t i = 0; i < shape[0]; ++i)
    for (std::int64_t j = 0; j < shape[1]; ++j)
      for (std::int64_t k = 0; k < shape[2]; ++k) body({i, j, k}, flat++);
}

double& at(const Tensor& x, const Position& p) {
  return x.data<double>()[(p[0] * x.shape()[1] + p[1]) * x.shape()[2] + p[2]];
}

Tensor sized(const Tensor& x, int axis, std::int64_t size) {
  Shape shape = x.shape();
  shape[axis] = size;
  return zeros(shape, float64);
}

/// index_select (index of one axis) and gather (index of three).
Tensor pick(const Tensor& x, const Tensor& index, int axis) {
  Tensor y = index.rank() == 1 ? sized(x, axis, index.numel()) : zeros(index.shape(), float64);
  for_each(y.shape(), [&](const Position& p, std::int64_t flat) {
    Position from = p;
    from[axis] = index.data<std::int64_t>()[index.rank() == 1 ? p[axis] : flat];
    at(y, p) = at(x, from);
  });
  return y;
}

/// index_add and scatter_add.
Tensor put(const Tensor& x, const Tensor& index, int axis, std::int64_t count) {
  Tensor y = sized(x, axis, count);
  for_each(x.shape(), [&](const Position& p, std::int64_t flat) {
    Position to = p;
    to[axis] = index.data<std::int64_t>()[index.rank() == 1 ? p[axis] : flat];
    at(y, to) += at(x, p);
  });
  return y;
}

constexpr std::int64_t kCount = 6;  // size of the axis that is indexed

/// The size along the axis that an adjoint's result has.
std::int64_t count_for(const Tensor& x, int axis) { return std::max(kCount, x.shape()[axis]); }

Input values(Shape shape, int axis, std::int64_t size, bool strided = false) {
  shape[axis] = size;
  return {shape, Values::normal, 0, strided};
}
Input places(const Shape& shape, std::int64_t limit) { return {shape, Values::indices, limit}; }

bool selecting(int axis) {
  const std::vector<Input> bench_rows =
      axis == 0 ? std::vector<Input>{{{65536, 1, 128}}, places({65536}, 65536)} : std::vector<Input>{};
  const Shape small{2, 3, 4}, large{30, 40, 50};
  const auto select_of = [&](const Shape& shape, std::int64_t n, bool strided, bool gradients) {
    return Variant{{values(shape, axis, kCount, strided), places({n}, kCount)}, gradients};
  };
  const auto add_of = [&](const Shape& shape, std::int64_t n, bool strided, bool gradients) {
    return Variant{{values(shape, axis, n, strided), places({n}, kCount)}, gradients};
  };
  add_case({.name = "index_select",
            .kernels = {"index_select_fwd"},
            .call = [axis](const Tensors& x) { return index_select(x[0], axis, x[1]); },
            .reference = [axis](const Tensors& x) { return pick(x[0], x[1], axis); },
            .variants = {select_of(small, 0, false, true), select_of(small, 1, false, true),
                         select_of(small, 9, false, true), select_of(small, 5, true, true),
                         select_of(large, 333, false, false)},
            .benchmark = bench_rows});
  return add_case(
      {.name = "index_add",
       .kernels = {"index_add_fwd"},
       .call = [axis](const Tensors& x) { return index_add(x[0], axis, x[1], count_for(x[0], axis)); },
       .reference = [axis](const Tensors& x) { return put(x[0], x[1], axis, count_for(x[0], axis)); },
       .variants = {add_of(small, 0, false, true), add_of(small, 1, false, true),
                    add_of(small, 9, false, true), add_of(small, 5, true, true),
                    add_of(large, 333, false, false)},
       .benchmark = bench_rows});
}

bool gathering(int axis) {
  const std::vector<Input> bench_values =
      axis == 2 ? std::vector<Input>{{{256, 64, 1024}}, places({256, 64, 1024}, 1024)} : std::vector<Input>{};
  const auto gather_of = [&](Shape shape, std::int64_t n, bool strided, bool gradients) {
    Shape index = shape;
    index[axis] = n;
    return Variant{{values(shape, axis, kCount, strided), places(index, kCount)}, gradients};
  };
  const auto scatter_of = [&](Shape shape, std::int64_t n, bool strided, bool gradients) {
    shape[axis] = n;
    return Variant{{{shape, Values::normal, 0, strided}, places(shape, kCount)}, gradients};
  };
  add_case({.name = "gather",
            .kernels = {"gather_fwd"},
            .call = [axis](const Tensors& x) { return gather(x[0], axis, x[1]); },
            .reference = [axis](const Tensors& x) { return pick(x[0], x[1], axis); },
            .variants = {gather_of({2, 3, 4}, 0, false, true), gather_of({2, 3, 4}, 1, false, true),
                         gather_of({3, 2, 2}, 7, false, true), gather_of({2, 3, 4}, 5, true, true),
                         gather_of({30, 40, 50}, 77, false, false)},
            .benchmark = bench_values});
  return add_case(
      {.name = "scatter_add",
       .kernels = {"scatter_add_fwd"},
       .call = [axis](const Tensors& x) { return scatter_add(x[0], axis, x[1], count_for(x[0], axis)); },
       .reference = [axis](const Tensors& x) { return put(x[0], x[1], axis, count_for(x[0], axis)); },
       .variants = {scatter_of({2, 3, 4}, 0, false, true), scatter_of({2, 3, 4}, 1, false, true),
                    scatter_of({3, 2, 2}, 7, false, true), scatter_of({2, 3, 4}, 5, true, true),
                    scatter_of({30, 40, 50}, 77, false, false)},
       .benchmark = bench_values});
}

/// Rows of x[0] by the indices x[1], of any shape.
Tensor rows_of(const Tensors& x) {
  Shape shape = x[1].shape();
  const std::int64_t width = x[0].shape()[1];
  shape.push_back(width);
  Tensor y(shape, float64, Device::cpu);
  for (std::int64_t i = 0; i < y.numel(); ++i)
    y.data<double>()[i] = x[0].data<double>()[x[1].data<std::int64_t>()[i / width] * width + i % width];
  return y;
}

bool embedding_case() {
  const auto variant = [](const Shape& indices, std::int64_t width, bool strided, bool gradients) {
    return Variant{{{{kCount, width}, Values::normal, 0, strided}, places(indices, kCount)}, gradients};
  };
  return add_case({.name = "embedding",
                   .kernels = {"index_select_fwd", "index_add_fwd"},
                   .call = [](const Tensors& x) { return embedding(x[0], x[1]); },
                   .reference = rows_of,
                   .variants = {variant({0}, 3, false, true), variant({}, 3, false, true),
                                variant({1}, 1, false, true), variant({2, 5}, 3, false, true),
                                variant({2, 2, 3}, 4, true, true), variant({33, 70}, 65, false, false)},
                   .benchmark = {{{32000, 384}}, places({64, 256}, 32000)}});
}

const bool indexing_cases[] = {
    selecting(0), selecting(1), selecting(2), gathering(0), gathering(1), gathering(2), embedding_case(),
};

TEST_CASE("an index may pick from whole images of bytes") {
  const Tensor images = arange(3 * 4, uint8);
  const Tensor picked =
      index_select(reshape(images, {3, 4}), 0, from_values(std::vector<std::int64_t>{2, 0}, {2}));
  CHECK(picked.dtype() == uint8);
  CHECK(picked.data<std::uint8_t>()[1] == 9);
  CHECK(picked.data<std::uint8_t>()[5] == 1);
}

TEST_CASE("adjoints give the same bits at any thread count") {
  Generator generator(3);
  const Tensor x = normal({20000, 24}, generator);
  Tensor index(Shape{20000}, int64, Device::cpu);
  RandomWords words(generator);
  for (std::int64_t i = 0; i < 20000; ++i) index.data<std::int64_t>()[i] = words.below(50);
  const Tensor spread = contiguous(broadcast_to(unsqueeze(index, 1), {20000, 24}));
  const int before = thread_count();
  std::vector<Tensor> sums;
  for (int threads : {1, 3}) {
    set_thread_count(threads);
    sums.push_back(index_add(x, 0, index, 50));
    sums.push_back(scatter_add(x, 0, spread, 50));
  }
  set_thread_count(before);
  for (const Tensor& other : {sums[1], sums[2], sums[3]})
    for (std::int64_t i = 0; i < other.numel(); ++i)
      REQUIRE(other.data<float>()[i] == sums[0].data<float>()[i]);
}

TEST_CASE("one_hot marks the label") {
  const Tensor y = one_hot(from_values(std::vector<std::int64_t>{1, 0, 2, 2}, {2, 2}), 3);
  CHECK(y.shape() == Shape{2, 2, 3});
  const float expected[] = {0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1};
  for (int i = 0; i < 12; ++i) CHECK(y.data<float>()[i] == expected[i]);
}

TEST_CASE("the padding row of an embedding gets no gradient") {
  Tensor weight = ones({3, 2}, float64);
  weight.requires_grad_();
  const Tensor index = from_values(std::vector<std::int64_t>{1, 2, 1, 0}, {2, 2});
  sum(embedding(weight, index, 1)).backward();
  const double expected[] = {1, 1, 0, 0, 1, 1};
  for (int i = 0; i < 6; ++i) CHECK(weight.grad().data<double>()[i] == expected[i]);
}

TEST_CASE("integers and bools are picked, integers added") {
  const Tensor x = reshape(arange(6), {2, 3});
  const auto places = [](const std::vector<std::int64_t>& values) {
    const auto count = static_cast<std::int64_t>(values.size());
    return from_values(values, {count});
  };
  const auto values = [](const Tensor& y) {
    const Tensor dense = y.to(int64).clone();
    return std::vector<std::int64_t>(dense.data<std::int64_t>(), dense.data<std::int64_t>() + dense.numel());
  };
  for (DType dtype : {int64, int32}) {
    const Tensor typed = x.to(dtype);
    CHECK(values(index_add(typed, -1, places({1, 1, 0}), 2)) == std::vector<std::int64_t>{2, 1, 5, 7});
    CHECK(values(scatter_add(typed, -2, (x * 0).clone(), 1)) == std::vector<std::int64_t>{3, 5, 7});
    CHECK(values(index_select(typed, -1, places({2, 0}))) == std::vector<std::int64_t>{2, 0, 5, 3});
    CHECK(values(gather(typed, -1, reshape(places({2, 0}), {2, 1}))) == std::vector<std::int64_t>{2, 3});
  }
  const Tensor mask = lt(x, 2);
  CHECK(values(index_select(mask, 1, places({1, 2}))) == std::vector<std::int64_t>{1, 0, 0, 0});
  CHECK(values(masked_select(x, mask)) == std::vector<std::int64_t>{0, 1});
  CHECK(masked_select(x, lt(x, 0)).shape() == Shape{0});
  CHECK(index_add(zeros({0, 3}), 0, places({}), 2).shape() == Shape{2, 3});
  CHECK(max(index_add(zeros({0, 3}), 0, places({}), 2)).item() == 0);
}

TEST_CASE("masked_select passes the gradient to what it picks") {
  Tensor x = from_values({1, 2, 3, 4}, {2, 2}).to(float64);
  x.requires_grad_();
  const Tensor picked = masked_select(transpose(x), from_values({1, 0, 1, 1}, {2, 2}).to(boolean));
  CHECK(picked.data<double>()[1] == 2);
  sum(picked * picked).backward();
  const double expected[] = {2, 4, 0, 8};
  for (int i = 0; i < 4; ++i) CHECK(x.grad().data<double>()[i] == expected[i]);
}

TEST_CASE("bad indices are named") {
  const Tensor index = from_values(std::vector<std::int64_t>{0, 3}, {2});
  CHECK_THROWS_WITH_AS(index_select(zeros({3, 2}), 0, index),
                       "index_select: index 3 at position 1 is out of range for an axis of size 3 (0 to 2)",
                       Error);
  CHECK_THROWS_WITH_AS(
      gather(zeros({3, 2}), 0, index),
      "gather: index int64[2] for float32[3, 2] along axis 0; off that axis their sizes must agree", Error);
  CHECK_THROWS_WITH_AS(index_select(zeros({3}), 0, zeros({1}).to(int32)),
                       "index_select: the index is int32[1]; convert it with to(int64)", Error);
  CHECK_THROWS_WITH_AS(embedding(zeros({3, 2}), index),
                       "embedding: index 3 at position 1 is out of range for an axis of size 3 (0 to 2)",
                       Error);
  CHECK_THROWS_WITH_AS(embedding(zeros({3, 2}), from_values(std::vector<std::int64_t>{0}, {1}), 3),
                       "embedding: padding index 3 is out of range for 3 rows", Error);
  CHECK_THROWS_WITH_AS(masked_select(zeros({3}), full({2}, 1, boolean)),
                       "masked_select: the mask is bool[2]; x float32[3] needs a bool of its shape", Error);
  CHECK_THROWS_WITH_AS(
      argmax(zeros({3, 0})),
      "argmax: float32[3, 0] has nothing to reduce along axes [-1]; an empty set has no largest value",
      Error);
  CHECK_THROWS_WITH_AS(one_hot(index, 3),
                       "one_hot: index 3 at position 1 is out of range for an axis of size 3 (0 to 2)",
                       Error);
}

}  // namespace
}  // namespace tsr::test
