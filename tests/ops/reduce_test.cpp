// Cases of the reductions, and what their accuracy and determinism promise.
#include <cmath>
#include <doctest/doctest.h>
#include <random>

#include "autograd/ops.h"
#include "tensor/parallel.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

using Fold = std::function<double(const std::vector<double>&)>;

bool is_among(const Shape& axes, int axis, int rank) {
  bool found = axes.empty();
  for (std::int64_t given : axes) found = found || (given < 0 ? given + rank : given) == axis;
  return found;
}

/// f over the values that fall on each element of the result.
Tensor reduce_reference(const Tensor& x, const Shape& axes, bool keepdim, const Fold& f) {
  Shape shape, kept = x.shape();
  for (int axis = 0; axis < x.rank(); ++axis) {
    const bool reduced = is_among(axes, axis, x.rank());
    if (reduced) kept[axis] = 1;
    if (!reduced || keepdim) shape.push_back(kept[axis]);
  }
  const Shape step = dense_strides(kept);
  std::vector<std::vector<double>> groups(static_cast<std::size_t>(kept.numel()));
  for (std::int64_t flat = 0; flat < x.numel(); ++flat) {
    std::int64_t rest = flat, target = 0;
    for (int axis = x.rank() - 1; axis >= 0; --axis) {
      if (kept[axis] != 1) target += rest % x.shape()[axis] * step[axis];
      rest /= x.shape()[axis];
    }
    groups[static_cast<std::size_t>(target)].push_back(x.data<double>()[flat]);
  }
  Tensor y(shape, float64, Device::cpu);
  for (std::size_t i = 0; i < groups.size(); ++i) y.data<double>()[i] = f(groups[i]);
  return y;
}

double total(const std::vector<double>& values) {
  double result = 0;
  for (double value : values) result += value;
  return result;
}
double largest(const std::vector<double>& values) {
  double result = -INFINITY;
  for (double value : values) result = std::max(result, value);
  return result;
}
double average(const std::vector<double>& values) {
  return total(values) / static_cast<double>(values.size());
}
double length(const std::vector<double>& values) {
  double result = 0;
  for (double value : values) result += value * value;
  return std::sqrt(result);
}
double spread(const std::vector<double>& values) {
  const double center = average(values);
  double result = 0;
  for (double value : values) result += (value - center) * (value - center);
  return result / static_cast<double>(values.size() - 1);
}

using Reduction = Tensor (*)(const Tensor&, const Shape&, bool);

/// One case for a choice of axes: every choice meets dense, permuted, huge and equal inputs of rank 3.
bool reduction(const char* name, std::vector<std::string> kernels, Reduction op, const Fold& f, Shape axes,
               bool keepdim, Values values) {
  return add_case(
      {.name = name,
       .kernels = std::move(kernels),
       .call = [op, axes, keepdim](const Tensors& x) { return op(x[0], axes, keepdim); },
       .reference = [f, axes, keepdim](const Tensors& x) { return reduce_reference(x[0], axes, keepdim, f); },
       .variants = {{{{{2, 3, 5}, values}}},
                    {{{{3, 1, 7}, values}}},
                    {{{{4, 3, 6}, values, 0, true}}},
                    {{{{2, 2, 33}, values}}},
                    {{{{3, 70, 5}, values}}, false},
                    {{{{17, 40, 300}, values}}, false},
                    {{{{300, 9, 70}, values, 0, true}}, false},
                    {{{{5, 2000, 19}, Values::equal}}, false},
                    {{{{3, 3, 9}, Values::huge}}, false}},
       .tolerance32 = 1e-6,
       .benchmark = {{{256, 1024, 64}, values}}});
}

bool all_axes(const char* name, const std::vector<std::string>& kernels, Reduction op, const Fold& f,
              Values values) {
  for (const Shape& axes :
       {Shape{}, Shape{0}, Shape{1}, Shape{2}, Shape{0, 1}, Shape{1, 2}, Shape{0, -1}, Shape{2, 0, 1}})
    reduction(name, kernels, op, f, axes, axes.rank() == 2, values);
  return true;
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

Tensor variance(const Tensor& x, const Shape& axes, bool keepdim) { return var(x, axes, keepdim); }

const bool added[] = {
    all_axes("sum", {"sum_fwd"}, sum, total, Values::normal),
    all_axes("max", {"max_fwd"}, max, largest, Values::distinct),
    reduction("mean", {"sum_fwd"}, mean, average, {1}, false, Values::normal),
    reduction("mean", {"sum_fwd"}, mean, average, {}, true, Values::normal),
    reduction("norm", {"sum_fwd"}, norm, length, {0, 2}, false, Values::normal),
    reduction("norm", {"sum_fwd"}, norm, length, {-1}, true, Values::positive),
    reduction("var", {"sum_fwd"}, variance, spread, {0, 2}, false, Values::normal),
    reduction("var", {"sum_fwd"}, variance, spread, {}, true, Values::normal),
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
    const Tensor once = sum(x, axes), top = max(x, axes);
    for (int threads : {2, 5}) {
      set_thread_count(threads);
      const Tensor again = sum(x, axes), also = max(x, axes);
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
