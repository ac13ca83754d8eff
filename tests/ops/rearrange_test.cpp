// Cases of pad, flip, roll, tile, tril and triu.
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

using Index = std::vector<std::int64_t>;
/// The position in x that a position of the result shows, or an empty one for `otherwise`.
using Source = std::function<Index(const Index&, const Shape& from)>;

Tensor rearranged(const Tensor& x, const Shape& shape, double otherwise, const Source& source) {
  Tensor y(shape, float64, Device::cpu);
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    Index position(static_cast<std::size_t>(shape.rank()));
    std::int64_t flat = i;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      position[static_cast<std::size_t>(axis)] = flat % shape[axis];
      flat /= shape[axis];
    }
    const Index from = source(position, x.shape());
    std::int64_t at = 0;
    for (int axis = 0; axis < x.rank() && !from.empty(); ++axis)
      at = at * x.shape()[axis] + from[static_cast<std::size_t>(axis)];
    y.data<double>()[i] = from.empty() ? otherwise : x.data<double>()[at];
  }
  return y;
}

const std::vector<Variant> kMatrices{
    {{{{3, 4}}}}, {{{{4, 3}, Values::normal, 0, true}}}, {{{{5, 5}}}}, {{{{90, 130}}}, false}};

std::vector<Variant> with_small(std::vector<Variant> variants) {
  variants.push_back({{{{1, 1}}}});
  variants.push_back({{{{0, 3}}}});
  return variants;
}

using Amounts = std::vector<std::pair<std::int64_t, std::int64_t>>;

bool pad_case(const char* name, PadMode mode, const Amounts& amounts, double value,
              const std::vector<Variant>& variants) {
  const auto source = [=](const Index& p, const Shape& from) {
    Index result = p;
    for (std::size_t axis = 0; axis < p.size(); ++axis) {
      const std::int64_t size = from[static_cast<int>(axis)];
      std::int64_t& i = result[axis];
      i -= amounts[axis].first;
      if (i >= 0 && i < size) continue;
      if (mode == PadMode::constant) return Index{};
      if (mode == PadMode::replicate) {
        i = i < 0 ? 0 : size - 1;
      } else {
        i = i < 0 ? -i : 2 * size - 2 - i;
      }
    }
    return result;
  };
  return add_case({.name = name,
                   .kernels = {"copy_fwd", "fill_fwd"},
                   .call = [=](const Tensors& x) { return pad(x[0], amounts, mode, value); },
                   .reference =
                       [=](const Tensors& x) {
                         Shape shape = x[0].shape();
                         for (int axis = 0; axis < shape.rank(); ++axis) {
                           const auto& [before, after] = amounts[static_cast<std::size_t>(axis)];
                           shape[axis] += before + after;
                         }
                         return rearranged(x[0], shape, value, source);
                       },
                   .variants = variants});
}

bool flip_case(const Shape& axes) {
  return add_case(
      {.name = "flip",
       .kernels = {"copy_fwd"},
       .call = [=](const Tensors& x) { return flip(x[0], axes); },
       .reference =
           [=](const Tensors& x) {
             return rearranged(x[0], x[0].shape(), 0, [&](Index p, const Shape& from) {
               for (std::int64_t axis : axes) {
                 const auto a = static_cast<std::size_t>((axis + 2) % 2);
                 p[a] = from[static_cast<int>(a)] - 1 - p[a];
               }
               return p;
             });
           },
       .variants = with_small(kMatrices),
       .benchmark = axes.rank() == 2 ? std::vector<Input>{{{4096, 4096}}} : std::vector<Input>{}});
}

bool roll_case(std::int64_t shift0, std::int64_t shift1) {
  return add_case({.name = "roll",
                   .kernels = {"copy_fwd"},
                   .call =
                       [=](const Tensors& x) {
                         return roll(x[0], {shift1, shift0}, {-1, 0});
                       },
                   .reference =
                       [=](const Tensors& x) {
                         return rearranged(x[0], x[0].shape(), 0, [&](const Index& p, const Shape& from) {
                           return Index{((p[0] - shift0) % from[0] + from[0]) % from[0],
                                        ((p[1] - shift1) % from[1] + from[1]) % from[1]};
                         });
                       },
                   .variants = with_small(kMatrices)});
}

bool triangle_case(const char* name, Tensor (*triangle)(const Tensor&, std::int64_t), std::int64_t diagonal,
                   bool lower) {
  return add_case({.name = name,
                   .kernels = {"where_fwd"},
                   .call = [=](const Tensors& x) { return triangle(x[0], diagonal); },
                   .reference =
                       [=](const Tensors& x) {
                         return rearranged(x[0], x[0].shape(), 0, [&](const Index& p, const Shape&) {
                           const std::int64_t above = p[1] - p[0];
                           return (lower ? above <= diagonal : above >= diagonal) ? p : Index{};
                         });
                       },
                   .variants = with_small(kMatrices)});
}

bool tile_case(const Shape& repeats) {
  const auto skip = static_cast<std::size_t>(std::max(0, repeats.rank() - 2));
  return add_case({.name = "tile",
                   .kernels = {"copy_fwd"},
                   .call = [=](const Tensors& x) { return tile(x[0], repeats); },
                   .reference =
                       [=](const Tensors& x) {
                         Shape shape = x[0].shape();
                         while (shape.rank() < repeats.rank()) shape.insert(0, 1);
                         for (int i = 0; i < repeats.rank(); ++i)
                           shape[shape.rank() - repeats.rank() + i] *= repeats[i];
                         return rearranged(x[0], shape, 0, [&](const Index& p, const Shape& from) {
                           return Index{p[skip] % from[0], p[skip + 1] % from[1]};
                         });
                       },
                   .variants = with_small(kMatrices)});
}

const bool rearrange_cases[] = {
    pad_case("pad", PadMode::constant, {{1, 2}, {0, 3}}, -0.5, with_small(kMatrices)),
    pad_case("pad", PadMode::constant, {{0, 0}, {2, 0}}, 0, with_small(kMatrices)),
    pad_case("pad_reflect", PadMode::reflect, {{1, 2}, {2, 0}}, 0, kMatrices),
    pad_case("pad_replicate", PadMode::replicate, {{3, 1}, {0, 7}}, 0, kMatrices),
    flip_case({0}),
    flip_case({-1}),
    flip_case({1, 0}),
    flip_case({}),
    roll_case(1, -2),
    roll_case(0, 7),
    triangle_case("tril", tril, 0, true),
    triangle_case("tril", tril, -1, true),
    triangle_case("triu", triu, 1, false),
    tile_case({2, 3}),
    tile_case({3}),
    tile_case({2, 1, 2}),
    tile_case({2, 0}),
};

TEST_CASE("any dtype is rearranged") {
  const Tensor x = reshape(arange(6), {2, 3});
  for (DType dtype : {uint8, int32, int64, float16, bfloat16}) {
    const Tensor y = flip(roll(pad(x.to(dtype), {{0, 0}, {1, 0}}, PadMode::constant, 9), {1}, {1}), {0, 1});
    CHECK(y.dtype() == dtype);
    const Tensor found = y.to(int64).clone();
    const std::int64_t expected[] = {4, 3, 9, 5, 1, 0, 9, 2};
    for (int i = 0; i < 8; ++i) CHECK(found.data<std::int64_t>()[i] == expected[i]);
  }
  CHECK(flip(eq(x, 0), {1}).data<bool>()[2]);
  CHECK(tile(x, {1, 1, 1, 1, 1, 1, 2, 1}).rank() == 8);
}

TEST_CASE("rearrangements that make no sense are named") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_WITH_AS(pad(x, {{1, 1}}),
                       "pad: 1 amounts for the 2 axes of float32[2, 3]; give (before, after) for each axis",
                       Error);
  CHECK_THROWS_WITH_AS(pad(x, {{1, 1}, {-1, 0}}), "pad: (-1, 0) is negative; slice() cuts", Error);
  CHECK_THROWS_WITH_AS(pad(x, {{2, 0}, {0, 0}}, PadMode::reflect),
                       "pad: 2 before and 0 behind axis 0 of float32[2, 3]; that needs a size of at least 3",
                       Error);
  CHECK_THROWS_WITH_AS(flip(x, {1, -1}), "flip: axis 1 of float32[2, 3] is named twice", Error);
  CHECK_THROWS_WITH_AS(roll(x, {1}, {0, 1}),
                       "roll: shifts [1] and axes [0, 1] differ in number; name an axis for each shift",
                       Error);
  CHECK_THROWS_WITH_AS(tile(x, {-1}), "tile: negative count in repeats [-1]", Error);
  CHECK_THROWS_WITH_AS(tril(zeros({2})), "tril: float32[2] is not a matrix [..., m, n]", Error);
}

}  // namespace
}  // namespace tsr::test
