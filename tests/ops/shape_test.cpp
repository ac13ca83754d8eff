// Cases of the ops that view, join and part tensors.
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

using Index = std::vector<std::int64_t>;

/// Position `flat` of a row-major shape.
Index position_of(std::int64_t flat, const Shape& shape) {
  Index position(static_cast<std::size_t>(shape.rank()));
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    position[static_cast<std::size_t>(axis)] = flat % shape[axis];
    flat /= shape[axis];
  }
  return position;
}

std::int64_t flat_of(const Index& position, const Shape& shape) {
  std::int64_t flat = 0;
  for (int axis = 0; axis < shape.rank(); ++axis)
    flat = flat * shape[axis] + position[static_cast<std::size_t>(axis)];
  return flat;
}

/// y[p] = x[source(p)].
Tensor rearranged(const Tensor& x, const Shape& shape, const std::function<Index(const Index&)>& source) {
  Tensor y(shape, float64, Device::cpu);
  for (std::int64_t i = 0; i < y.numel(); ++i)
    y.data<double>()[i] = x.data<double>()[flat_of(source(position_of(i, shape)), x.shape())];
  return y;
}

Tensor with_values_of(const Tensor& x, const Shape& shape) {
  Tensor y(shape, float64, Device::cpu);
  std::copy_n(x.data<double>(), x.numel(), y.data<double>());
  return y;
}

bool reshaping(const Shape& from, const Shape& to, const Shape& resolved) {
  return add_case({.name = "reshape",
                   .kernels = {"copy_fwd"},
                   .call = [to](const Tensors& x) { return reshape(x[0], to); },
                   .reference = [resolved](const Tensors& x) { return with_values_of(x[0], resolved); },
                   .variants = {{{{from}}}, {{{from, Values::normal, 0, true}}}}});
}

bool permuting(const Shape& order, const Shape& shape) {
  return add_case({.name = "permute",
                   .kernels = {},
                   .call = [order](const Tensors& x) { return permute(x[0], order); },
                   .reference =
                       [order](const Tensors& x) {
                         const int rank = x[0].rank();
                         Shape to = x[0].shape();
                         for (int axis = 0; axis < rank; ++axis)
                           to[axis] = x[0].shape()[static_cast<int>((order[axis] + rank) % rank)];
                         return rearranged(x[0], to, [&](const Index& p) {
                           Index from(p.size());
                           for (int axis = 0; axis < rank; ++axis)
                             from[static_cast<std::size_t>((order[axis] + rank) % rank)] =
                                 p[static_cast<std::size_t>(axis)];
                           return from;
                         });
                       },
                   .variants = {{{{shape}}}, {{{shape, Values::normal, 0, true}}}}});
}

bool broadcasting(const Shape& from, const Shape& to) {
  return add_case({.name = "broadcast_to",
                   .kernels = {"sum_fwd"},
                   .call = [to](const Tensors& x) { return broadcast_to(x[0], to); },
                   .reference =
                       [to](const Tensors& x) {
                         return rearranged(x[0], to, [&](const Index& p) {
                           Index own(p.end() - x[0].rank(), p.end());
                           for (int axis = 0; axis < x[0].rank(); ++axis)
                             if (x[0].shape()[axis] == 1) own[static_cast<std::size_t>(axis)] = 0;
                           return own;
                         });
                       },
                   .variants = {{{{from}}}, {{{from, Values::normal, 0, true}}}}});
}

/// slice of {4, 7, 3} and slice_backward into it, along an axis.
bool slicing(int axis, std::int64_t begin, std::int64_t end, std::int64_t step) {
  const Shape whole{4, 7, 3};
  Shape part = whole;
  part[axis] = (end - begin + step - 1) / step;
  const auto outer = [=](Index p) {
    p[static_cast<std::size_t>(axis)] = begin + p[static_cast<std::size_t>(axis)] * step;
    return p;
  };
  add_case({.name = "slice",
            .kernels = {},
            .call = [=](const Tensors& x) { return slice(x[0], axis, begin, end, step); },
            .reference = [=](const Tensors& x) { return rearranged(x[0], part, outer); },
            .variants = {{{{whole}}}, {{{whole, Values::normal, 0, true}}}}});
  return add_case({.name = "slice_backward",
                   .kernels = {"copy_fwd", "fill_fwd"},
                   .call = [=](const Tensors& x) { return slice_backward(x[0], whole, axis, begin, step); },
                   .reference =
                       [=](const Tensors& x) {
                         Tensor y = zeros(whole, float64);
                         for (std::int64_t i = 0; i < x[0].numel(); ++i)
                           y.data<double>()[flat_of(outer(position_of(i, part)), whole)] =
                               x[0].data<double>()[i];
                         return y;
                       },
                   .variants = {{{{part}}}, {{{part, Values::normal, 0, true}}}}});
}

/// Parts of {2, n, 3} with n = 1, 4, 0 and 2, joined along axis 1 (by a permutation, along any).
bool joining(int axis) {
  const auto turned = [axis](Shape shape) {
    std::swap(shape[1], shape[axis]);
    return shape;
  };
  std::vector<Input> inputs;
  for (std::int64_t n : {1, 4, 0, 2}) inputs.push_back({turned({2, n, 3}), Values::normal, 0, n == 4});
  return add_case({.name = "concat",
                   .kernels = {"copy_fwd"},
                   .call = [axis](const Tensors& x) { return concat(x, axis - 3); },
                   .reference =
                       [=](const Tensors& x) {
                         std::int64_t size = 0, first = 0;
                         for (const Tensor& part : x) size += part.shape()[axis];
                         Tensor y(turned({2, size, 3}), float64, Device::cpu);
                         for (const Tensor& part : x) {
                           for (std::int64_t i = 0; i < part.numel(); ++i) {
                             Index p = position_of(i, part.shape());
                             p[static_cast<std::size_t>(axis)] += first;
                             y.data<double>()[flat_of(p, y.shape())] = part.data<double>()[i];
                           }
                           first += part.shape()[axis];
                         }
                         return y;
                       },
                   .variants = {{inputs}, {{inputs[0], inputs[1]}, false}}});
}

const bool shape_cases[] = {
    reshaping({2, 3, 4}, {4, 6}, {4, 6}),
    reshaping({2, 3, 4}, {-1}, {24}),
    reshaping({2, 3, 4}, {2, -1, 2, 1}, {2, 6, 2, 1}),
    reshaping({1, 6, 1}, {3, 1, 2}, {3, 1, 2}),
    reshaping({0, 3}, {3, 0}, {3, 0}),
    reshaping({1}, {}, {}),
    reshaping({}, {1, 1}, {1, 1}),
    permuting({2, 0, 1}, {2, 3, 4}),
    permuting({-1, 1, 0}, {2, 3, 4}),
    permuting({0, 3, 1, 2}, {2, 3, 1, 5}),
    permuting({0}, {0}),
    permuting({}, {}),
    broadcasting({}, {2, 3}),
    broadcasting({3}, {2, 3}),
    broadcasting({2, 1, 3}, {4, 2, 5, 3}),
    broadcasting({1}, {0}),
    slicing(0, 1, 3, 1),
    slicing(1, 0, 7, 3),
    slicing(1, 2, 2, 1),
    slicing(2, 2, 3, 5),
    add_case({.name = "contiguous",
              .kernels = {"copy_fwd"},
              .call = [](const Tensors& x) { return contiguous(transpose(x[0])); },
              .reference =
                  [](const Tensors& x) {
                    return rearranged(x[0], {x[0].shape()[1], x[0].shape()[0]}, [](const Index& p) {
                      return Index{p[1], p[0]};
                    });
                  },
              .variants = {{{{{3, 5}}}}, {{{{1, 4}}}}, {{{{0, 4}}}}, {{{{200, 300}}}, false}},
              .benchmark = {{{2048, 2048}}}}),
};

const bool joined[] = {joining(0), joining(2)};

TEST_CASE("concat with one axis, one part, none") {
  const Tensor x = from_values({1, 2, 3, 4}, {2, 2});
  CHECK(concat({x}, 0).is_same(x));
  CHECK(stack({x, x, x}, -1).shape() == Shape{2, 2, 3});
  CHECK_THROWS_WITH_AS(concat({}, 0), "concat: no tensors given", Error);
  CHECK_THROWS_WITH_AS(concat({x, zeros({3, 3})}, 0),
                       "concat: float32[2, 2] and float32[3, 3] differ along axis 1; only axis 0 may", Error);
}

TEST_CASE("views share storage, and a copy is made only where it must") {
  const Tensor x = empty({4, 6});
  const auto shares = [&](const Tensor& y) { return y.storage() == x.storage(); };
  CHECK(shares(reshape(x, {2, 2, 6})));
  CHECK(shares(permute(x, {1, 0})));
  CHECK(shares(reshape(slice(x, 1, 0, 4), {4, 2, 2})));
  CHECK(shares(reshape(slice(x, 0, 1, 3), {12})));
  CHECK_FALSE(shares(reshape(slice(x, 1, 0, 4), {16})));
  CHECK_FALSE(shares(reshape(transpose(x), {24})));
  CHECK(shares(reshape(unsqueeze(transpose(x), 1), {6, 4})));
  CHECK(contiguous(x).is_same(x));
  CHECK(select(x, 0, 3).offset() == 18);
  CHECK(squeeze(unsqueeze(x, -1), -1).shape() == x.shape());
}

TEST_CASE("flatten_image puts channels first, also without images") {
  const Tensor y = flatten_image(reshape(arange(8, float32), {1, 2, 2, 2}));
  const float expected[] = {0, 2, 4, 6, 1, 3, 5, 7};
  CHECK(y.shape() == Shape{1, 8});
  for (int i = 0; i < 8; ++i) CHECK(y.data<float>()[i] == expected[i]);
  CHECK(flatten_image(zeros({0, 2, 3, 4})).shape() == Shape{0, 24});
}

TEST_CASE("shape errors name the operands and the rule") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_WITH_AS(reshape(x, {4, 2}), "reshape: float32[2, 3] holds 6 elements, which [4, 2] can't hold",
                       Error);
  CHECK_THROWS_WITH_AS(reshape(x, {-1, -1}), "reshape: [-1, -1] has more than one -1", Error);
  CHECK_THROWS_WITH_AS(reshape(x, {-2, -3}), "reshape: negative size in [-2, -3]", Error);
  CHECK_THROWS_WITH_AS(reshape(zeros({0, 3}), {0, -1}),
                       "reshape: the -1 in [0, -1] could be any size beside a 0; name it", Error);
  CHECK_THROWS_AS(reshape(x, {-1, 4}), Error);
  CHECK_THROWS_WITH_AS(permute(x, {0, 0}), "permute: order [0, 0] doesn't name each axis once", Error);
  CHECK_THROWS_WITH_AS(broadcast_to(x, {3, 3}), doctest::Contains("don't broadcast"), Error);
  CHECK_THROWS_WITH_AS(broadcast_to(x, {3}), "broadcast_to: float32[2, 3] doesn't broadcast to [3]", Error);
  CHECK_THROWS_WITH_AS(slice(x, 1, 0, 4), doctest::Contains("need 0 ≤ begin ≤ end ≤ 3"), Error);
  CHECK_THROWS_WITH_AS(squeeze(x, 0), "squeeze: axis 0 of float32[2, 3] has size 2, not 1", Error);
  CHECK_THROWS_WITH_AS(transpose(x, 0, 2), doctest::Contains("axis 2 is out of range"), Error);
}

}  // namespace
}  // namespace tsr::test
