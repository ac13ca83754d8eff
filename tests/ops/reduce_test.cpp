// Cases of the reductions, and what their accuracy and determinism promise.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <random>

#include "autograd/gradcheck.h"
#include "tensor/parallel.h"
#include "tests/ops/reduce_cases.h"

namespace tsr::test {
namespace {

double least(const std::vector<double>& values) {
  double result = INFINITY;
  for (double value : values) result = std::min(result, value);
  return result;
}
double product_of(const std::vector<double>& values) {
  double result = 1;
  for (double value : values) result *= value;
  return result;
}
bool adjoint_of_broadcast(const Shape& from, const Shape& to) {
  return add_case({.name = "sum_to",
                   .kernels = {"sum_fwd"},
                   .call = [to](const Tensors& x) { return sum_to(x[0], to); },
                   .reference =
                       [to](const Tensors& x) {
                         const int extra = x[0].rank() - to.rank();
                         Shape axes;
                         for (int axis = 0; axis < x[0].rank(); ++axis)
                           if (axis < extra || to[axis - extra] == 1) axes.push_back(axis);
                         const Tensor y = reduce_reference(x[0], axes, true, total);
                         return y.as_strided(to, dense_strides(to), 0);
                       },
                   .variants = {{{{from}}}, {{{from, Values::normal, 0, true}}}}});
}

/// Products of a few hundred values between 0.5 and 2 stay within float32's range.
bool products(const Shape& axes) {
  std::vector<Variant> variants{{{{{2, 3, 5}, Values::positive}}},
                                {{{{3, 1, 7}, Values::normal}}},
                                {{{{4, 3, 2}, Values::normal, 0, true}}},
                                {{{{2, 2, 33}, Values::positive}}, false},
                                {{{{3, 70, 2}, Values::positive}}, false}};
  if (axes.rank() == 1) variants.push_back({{{{300, 9, 70}, Values::positive}}, false});
  return add_case(
      {.name = "prod",
       .kernels = {"prod_fwd"},
       .call = [axes](const Tensors& x) { return prod(x[0], axes); },
       .reference = [axes](const Tensors& x) { return reduce_reference(x[0], axes, false, product_of); },
       .variants = variants,
       .tolerance32 = 1e-6,
       .benchmark = {{{256, 1024, 64}, Values::positive}}});
}

/// any and all over masks, by the fold of 0 and 1.
bool quantifier(const char* name, const AxesReduction& op, const Fold& f) {
  for (const Shape& axes : {Shape{}, Shape{0}, Shape{1}, Shape{2}, Shape{0, 2}})
    add_case({.name = name,
              .kernels = {std::string(name) + "_fwd"},
              .call = [op, axes](const Tensors& x) { return op(x[0], axes, false); },
              .reference =
                  [f, axes](const Tensors& x) { return reduce_reference(x[0].to(float64), axes, false, f); },
              .variants = {{{{{2, 3, 2}, Values::mask}}},
                           {{{{4, 3, 6}, Values::mask, 0, true}}},
                           {{{{3, 1, 2}, Values::mask}}},
                           {{{{40, 2, 300}, Values::mask}}}},
              .differentiable = Differentiable::no});
  return true;
}

/// Position of the best along an axis, the first of ties.
bool position(const char* name, Tensor (*op)(const Tensor&, std::int64_t, bool), bool largest) {
  for (std::int64_t axis : {0, 1, 2}) {
    const bool keepdim = axis == 1;
    const Fold first = [largest](const std::vector<double>& values) {
      const auto at = largest ? std::max_element(values.begin(), values.end())
                              : std::min_element(values.begin(), values.end());
      return static_cast<double>(at - values.begin());
    };
    add_case({.name = name,
              .kernels = {std::string(name) + "_fwd"},
              .call = [=](const Tensors& x) { return op(x[0], axis, keepdim); },
              .reference = [=](const Tensors& x) { return reduce_reference(x[0], {axis}, keepdim, first); },
              .variants = {{{{{2, 3, 5}}}},
                           {{{{1, 1, 1}}}},
                           {{{{3, 5, 40}, Values::huge, 0, true}}},
                           {{{{3, 33, 4}, Values::equal}}},
                           {{{{3, 33, 18}, Values::rising}}},
                           {{{{70, 5, 300}}}},
                           {{{{3000, 7, 2}}}},
                           {{{{2, 3, 40000}}}}},
              .differentiable = Differentiable::no,
              .benchmark = {{{512, 1, 4096}}}});
  }
  return true;
}

const bool reduce_cases[] = {
    all_axes("sum", {"sum_fwd"}, sum, total, Values::normal),
    all_axes("max", {"max_fwd"}, max, largest, Values::distinct),
    some_axes("min", {"min_fwd"}, min, least, Values::distinct),
    products({}),
    products({0}),
    products({1}),
    products({2}),
    products({0, 2}),
    quantifier("any", any, largest),
    quantifier("all", all, least),
    position("argmax", argmax, true),
    position("argmin", argmin, false),
    reduction("mean", {"sum_fwd"}, mean, average, {1}, false, Values::normal),
    reduction("mean", {"sum_fwd"}, mean, average, {}, true, Values::normal),
    adjoint_of_broadcast({2, 3, 4}, {3, 1}),
    adjoint_of_broadcast({2, 3, 4}, {}),
    adjoint_of_broadcast({2, 3, 4}, {1, 1, 4}),
};

/// n values around `center`, and their exact sum in long double.
Tensor noisy(std::int64_t n, float center, long double& exact) {
  std::mt19937 engine(5);
  std::normal_distribution<float> noise(center, 1);
  Tensor x(Shape{n}, float32, Device::cpu);
  exact = 0;
  for (std::int64_t i = 0; i < n; ++i) exact += x.data<float>()[i] = noise(engine);
  return x;
}

TEST_CASE("a float32 sum of a million values is the exact one, rounded") {
  for (float center : {0.0f, 1.0f, 1000.0f}) {
    for (std::int64_t n : {1000000, 999983}) {
      long double exact = 0;
      const Tensor x = noisy(n, center, exact);
      const double scale =
          center == 0 ? 1e6 : static_cast<double>(exact);  // Σ|x| bounds what rounding may do
      const double bound = center == 0 ? 3e-9 : 7e-8;      // half an ulp is 6e-8
      CAPTURE(center);
      CHECK(std::abs(sum(x).item() - static_cast<double>(exact)) <= bound * scale);
      const Tensor column = reshape(x, {n, 1});
      CHECK(std::abs(sum(column, {0}).item() - static_cast<double>(exact)) <= bound * scale);
    }
  }
  const Tensor rows = full({1 << 20, 3}, 0.1);
  for (int c = 0; c < 3; ++c)
    CHECK(sum(rows, {0}).data<float>()[c] == doctest::Approx(double{0.1f} * (1 << 20)).epsilon(6e-8));
}

TEST_CASE("a reduction gives the same bits at any thread count") {
  const Tensor x = reshape(slice(arange(3000000, float32), 0, 0, 2999808), {1953, 24, 64}) / 7;
  const int before = thread_count();
  for (const Shape& axes : {Shape{}, Shape{0}, Shape{1}, Shape{2}, Shape{0, 1}, Shape{0, 2}}) {
    set_thread_count(1);
    const Tensor once = sum(x, axes), top = max(x, axes), first = argmax(x, axes.empty() ? 2 : axes[0]);
    for (int threads : {2, 5}) {
      set_thread_count(threads);
      const Tensor again = sum(x, axes), also = max(x, axes);
      CHECK(all(eq(first, argmax(x, axes.empty() ? 2 : axes[0]))).item() == 1);
      for (std::int64_t i = 0; i < once.numel(); ++i) {
        REQUIRE(once.data<float>()[i] == again.data<float>()[i]);
        REQUIRE(top.data<float>()[i] == also.data<float>()[i]);
      }
    }
  }
  set_thread_count(before);
}

TEST_CASE("NaN and infinities come through wherever they stand") {
  for (std::int64_t n : {1, 7, 64, 1000}) {
    for (std::int64_t at : {std::int64_t{0}, n / 2, n - 1}) {
      for (DType dtype : {float32, float64}) {
        Tensor x = full({n, n == 1000 ? 3 : 70}, -1, dtype);
        const Tensor place = x.as_strided({}, {}, at * x.shape()[1] + 1);
        const auto check = [&](const Shape& axes, std::int64_t position, auto&& holds) {
          CHECK(holds(select(reshape(max(x, axes), {-1}), 0, position).item()));
          CHECK(holds(select(reshape(sum(x, axes), {-1}), 0, position).item()));
          if (holds(NAN)) CHECK(holds(select(reshape(min(x, axes), {-1}), 0, position).item()));
        };
        fill_with(place, NAN);
        const auto is_nan = [](double value) { return std::isnan(value); };
        check({0}, 1, is_nan);
        check({1}, at, is_nan);
        check({}, 0, is_nan);
        fill_with(place, INFINITY);
        check({}, 0, [](double value) { return value == INFINITY; });
      }
    }
  }
  CHECK(max(full({100}, -INFINITY)).item() == -INFINITY);
}

TEST_CASE("nothing to reduce: zero for a sum, NaN for a mean, an error for a maximum") {
  CHECK(sum(zeros({0, 3})).item() == 0);
  CHECK(sum(zeros({0, 3}), {0}).data<float>()[2] == 0);
  CHECK(sum(zeros({0, 3}), {1}).numel() == 0);
  CHECK(std::isnan(mean(zeros({0})).item()));
  CHECK(max(zeros({0, 3}), {1}).numel() == 0);
  CHECK_THROWS_WITH_AS(
      max(zeros({0, 3}), {0}),
      "max: float32[0, 3] has nothing to reduce along axes [0]; an empty set has no largest value", Error);
  CHECK_THROWS_WITH_AS(var(zeros({1, 3}), {0}),
                       "var: float32[1, 3] has 1 elements along axes [0], too few for a correction of 1",
                       Error);
}

TEST_CASE("prod and its derivatives beside zeros") {
  const auto product_of_rows = [](const Tensors& x) { return prod(x[0], {1}); };
  const Tensor x =
      from_values({2, 0, -3, 1.5f, 4, 0, 5, 0, 2, -1, 0, 0, 0, 7, 1, 3, -2, 1, 0.5f, 2}, {4, 5}).to(float64);
  CHECK(gradcheck(product_of_rows, {x}) == "");
  CHECK(gradcheck(product_of_rows, {x}, {.tolerance = 1e-5, .second = true}) == "");
  Tensor row = from_values({2, 0, -3}, {3});
  row.requires_grad_();
  const Tensor y = prod(row);
  CHECK(y.item() == 0);
  y.backward();
  CHECK(row.grad().data<float>()[0] == 0);
  CHECK(row.grad().data<float>()[1] == -6);
  CHECK(row.grad().data<float>()[2] == 0);
  CHECK(prod(zeros({0, 3}), {0}).data<float>()[2] == 1);
  // a float32 product may pass through what only float64 can hold
  CHECK(prod(from_values({1e30f, 1e30f, 1e-30f, 1e-30f}, {4})).item() == doctest::Approx(1));
}

TEST_CASE("integers and bools: sums and products in int64, extremes and positions in kind") {
  const Tensor x = reshape(arange(24), {2, 3, 4}) - 5.0;
  for (DType dtype : {int64, int32}) {
    const Tensor whole = x.to(dtype);
    CHECK(sum(whole).dtype() == int64);
    CHECK(sum(whole).item() == 276 - 24 * 5);
    CHECK(sum(whole, {0, 2}).data<std::int64_t>()[1] == -1 + 0 + 1 + 2 + 11 + 12 + 13 + 14);
    CHECK(prod(slice(whole, 2, 0, 1), {1}).data<std::int64_t>()[0] == -5 * -1 * 3);
    CHECK(max(whole, {0}).dtype() == dtype);
    CHECK(max(whole, {0, 1}).to(int64).data<std::int64_t>()[2] == 17);
    CHECK(min(whole).item() == -5);
    CHECK(argmax(whole, 1).data<std::int64_t>()[3] == 2);
    CHECK(argmin(-whole, 0).data<std::int64_t>()[0] == 1);
  }
  const Tensor mask = gt(x, 2);
  CHECK(sum(mask).item() == 16);
  CHECK(sum(full({1000}, 255, uint8)).item() == 255000);
  CHECK(count_nonzero(x).item() == 23);
  CHECK(count_nonzero(from_values({0, NAN, -0.0f, 1}, {2, 2}), {1}).data<std::int64_t>()[0] == 1);
  CHECK(any(mask, {2}).shape() == Shape{2, 3});
  CHECK(any(zeros({0}, boolean)).item() == 0);
  CHECK(all(zeros({0}, boolean)).item() == 1);
  CHECK_THROWS_WITH_AS(mean(x), "mean: int64[2, 3, 4] is not floating; convert it with cast(x, float32)",
                       Error);
  CHECK_THROWS_WITH_AS(any(zeros({3})), "any: float32[3] is not bool; compare first, as in ne(x, 0)", Error);
  CHECK_THROWS_WITH_AS(
      max(mask), "max: bool[2, 3, 4] is neither floating nor int64 or int32; convert it with cast(x, int64)",
      Error);
}

TEST_CASE("argmax and argmin: the first of ties, and NaN before all") {
  const Tensor x = from_values({1, NAN, 3, NAN, 3, 1, 2, 3, 3}, {3, 3});
  const std::int64_t rows[] = {1, 0, 1}, columns[] = {1, 0, 0};
  for (int i = 0; i < 3; ++i) {
    CHECK(argmax(x).data<std::int64_t>()[i] == rows[i]);
    CHECK(argmax(x, 0).data<std::int64_t>()[i] == columns[i]);
  }
  CHECK(argmin(x, 1).data<std::int64_t>()[0] == 1);
  CHECK(argmin(x, 1).data<std::int64_t>()[2] == 0);
  CHECK(argmax(full({3, 100}, -INFINITY), 1).data<std::int64_t>()[1] == 0);
  CHECK(argmin(full({100, 3}, INFINITY), 0).data<std::int64_t>()[1] == 0);
  CHECK(argmax(x, 0, true).shape() == Shape{1, 3});
}

TEST_CASE("ties share the gradient of max; norm's is 0 at 0") {
  Tensor x = from_values({2, 5, 5, 1}, {4});
  x.requires_grad_();
  max(x).backward();
  const float expected[] = {0, 0.5f, 0.5f, 0};
  for (int i = 0; i < 4; ++i) CHECK(x.grad().data<float>()[i] == expected[i]);
  Tensor zero = zeros({3});
  zero.requires_grad_();
  norm(zero).backward();
  for (int i = 0; i < 3; ++i) CHECK(zero.grad().data<float>()[i] == 0);
}

TEST_CASE("wrong axes are named") {
  CHECK_THROWS_WITH_AS(sum(zeros({2, 3}), {2}),
                       "sum: axis 2 is out of range for a tensor of 2 axes (-2 to 1)", Error);
  CHECK_THROWS_WITH_AS(sum(zeros({2, 3}), {1, -1}), "sum: axis 1 of float32[2, 3] is named twice", Error);
  CHECK_THROWS_WITH_AS(sum_to(zeros({2, 3}), {2}), doctest::Contains("don't broadcast"), Error);
}

}  // namespace
}  // namespace tsr::test
