// Cases of sort and topk.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <numeric>

#include "autograd/ops.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

using Places = std::vector<std::int64_t>;

/// The positions of n elements, `stride` apart, in order; ties by rising position.
Places ranking(const double* x, std::int64_t n, std::int64_t stride, bool falling) {
  Places order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    return falling ? x[a * stride] > x[b * stride] : x[a * stride] < x[b * stride];
  });
  return order;
}

/// The first `count` (all when negative) in order along an axis: values, or positions.
Tensor ranked(const Tensor& x, int axis, std::int64_t count, bool falling, bool positions) {
  Shape shape = x.shape();
  const std::int64_t n = shape[axis];
  if (count >= 0) shape[axis] = count;
  std::int64_t inner = 1;
  for (int i = axis + 1; i < x.rank(); ++i) inner *= shape[i];
  Tensor y(shape, float64, Device::cpu);
  for (std::int64_t line = 0; y.numel() > 0 && line < y.numel() / shape[axis]; ++line) {
    const double* from = x.data<double>() + line / inner * n * inner + line % inner;
    double* to = y.data<double>() + line / inner * shape[axis] * inner + line % inner;
    const Places order = ranking(from, n, inner, falling);
    for (std::int64_t i = 0; i < shape[axis]; ++i) {
      const std::int64_t place = order[static_cast<std::size_t>(i)];
      to[i * inner] = positions ? static_cast<double>(place) : from[place * inner];
    }
  }
  return y;
}

using Ranking = std::function<std::pair<Tensor, Tensor>(const Tensor&)>;

bool ranking_case(const char* name, const char* kernel, const Ranking& rank, int axis, std::int64_t count,
                  bool falling, const std::vector<Input>& benchmark) {
  const std::vector<Variant> variants{
      {{{{5, 6, 5}, Values::distinct}}},       {{{{6, 5, 7}, Values::distinct, 0, true}}},
      {{{{5, 8, 70}, Values::rising}}, false}, {{{{5, 9, 70}, Values::equal}}, false},
      {{{{5, 6, 71}, Values::huge}}, false},   {{{{70, 80, 90}}}, false}};
  add_case({.name = name,
            .kernels = {kernel},
            .call = [=](const Tensors& x) { return rank(x[0]).first; },
            .reference = [=](const Tensors& x) { return ranked(x[0], axis, count, falling, false); },
            .variants = variants,
            .benchmark = benchmark});
  return add_case({.name = name,
                   .kernels = {kernel},
                   .call = [=](const Tensors& x) { return rank(x[0]).second; },
                   .reference = [=](const Tensors& x) { return ranked(x[0], axis, count, falling, true); },
                   .variants = variants,
                   .differentiable = Differentiable::no});
}

bool sort_case(int axis, bool falling, const std::vector<Input>& benchmark = {}) {
  return ranking_case(
      "sort", "sort_fwd", [=](const Tensor& x) { return sort(x, axis - 3, falling); }, axis, -1, falling,
      benchmark);
}

bool topk_case(std::int64_t k, int axis, bool largest, const std::vector<Input>& benchmark = {}) {
  return ranking_case(
      "topk", "topk_fwd", [=](const Tensor& x) { return topk(x, k, axis - 3, largest); }, axis, k, largest,
      benchmark);
}

const bool sort_cases[] = {sort_case(2, false, {{{256, 1, 4096}}}),
                           sort_case(2, true),
                           sort_case(1, false),
                           sort_case(0, true),
                           topk_case(5, 2, true, {{{256, 1, 50000}}}),
                           topk_case(1, 2, true),
                           topk_case(4, 2, false),
                           topk_case(3, 1, false),
                           topk_case(2, 0, true)};

void check_places(const Tensor& indices, const Places& expected) {
  CHECK(indices.numel() == static_cast<std::int64_t>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(indices.data<std::int64_t>()[i] == expected[i]);
}

TEST_CASE("NaN ranks above all numbers, zeros are equal, ties keep their order") {
  const float inf = INFINITY;
  for (DType dtype : {float32, float64}) {
    const Tensor x = from_values({2, NAN, 5, -inf, -NAN, 5, -0.0F, 0, inf, 0, -0.0F}, {11}).to(dtype);
    const Places rising{3, 6, 7, 9, 10, 0, 2, 5, 8, 1, 4}, falling{1, 4, 8, 2, 5, 0, 6, 7, 9, 10, 3};
    check_places(sort(x).second, rising);
    check_places(sort(x, 0, true).second, falling);
    check_places(topk(x, 11).second, falling);
    check_places(topk(x, 11, 0, false).second, rising);
    CHECK(std::signbit(select(sort(x).first, 0, 1).item()));
    // the same among many: the radix sort and the heap
    const Tensor many = concat({full({200}, 1, dtype), x}, 0);
    CHECK(select(argsort(many), 0, 0).item() == 203);
    CHECK(select(argsort(many), 0, 210).item() == 204);
    check_places(slice(argsort(many, 0, true), 0, 0, 3), {201, 204, 208});
    check_places(topk(many, 3).second, {201, 204, 208});
    check_places(topk(many, 2, 0, false).second, {203, 206});
    const Tensor nans = concat({full({20}, NAN, dtype), full({20}, 3, dtype)}, 0);
    check_places(topk(nans, 2, 0, false).second, {20, 21});
  }
}

TEST_CASE("integers sort by value") {
  for (DType dtype : {int64, int32}) {
    Generator generator(2);
    const Tensor x = (permutation(300, generator) - 150).to(dtype);
    const Tensor sorted = sort(x).first;
    CHECK(sorted.dtype() == dtype);
    const Tensor values = sorted.to(int64);
    for (std::int64_t i = 0; i < 300; ++i) CHECK(values.data<std::int64_t>()[i] == i - 150);
    check_places(slice(argsort(x.to(int64) * 0, 0, true), 0, 0, 3), {0, 1, 2});
  }
}

TEST_CASE("nothing sorts to nothing") {
  CHECK(sort(zeros({3, 0})).first.shape() == Shape{3, 0});
  CHECK(sort(zeros({0, 3}), 0).second.shape() == Shape{0, 3});
  CHECK(topk(zeros({3, 4}), 0, 0).first.shape() == Shape{0, 4});
}

TEST_CASE("sort gives the same bits at any thread count") {
  Generator generator(4);
  const Tensor x = cast(cast(normal({300, 500}, generator) * 20, int32), float32);  // many ties
  const int before = thread_count();
  Tensors found;
  for (int threads : {1, 3}) {
    set_thread_count(threads);
    found.push_back(argsort(x, 0));
  }
  set_thread_count(before);
  CHECK(all(eq(found[0], found[1])).item() == 1);
}

TEST_CASE("order errors name the operand and the rule") {
  CHECK_THROWS_WITH_AS(topk(zeros({3}), 4), "topk: k = 4 of axis 0 of float32[3]; choose 0 to 3", Error);
  CHECK_THROWS_WITH_AS(sort(zeros({3}), 1), doctest::Contains("sort: axis 1 is out of range"), Error);
}

}  // namespace
}  // namespace tsr::test
