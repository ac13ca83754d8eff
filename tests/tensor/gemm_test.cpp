// The packed matrix product against plain float64 loops.
#include "tensor/cpu/gemm.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <utility>
#include <vector>

#include "tensor/parallel.h"
#include "tests/tensor/values.h"

namespace {

using std::int64_t;
using namespace tsr;
using namespace tsr::cpu;
using tsr::test::values;

struct Case {
  int64_t batch, m, n, k;
  bool transpose_a = false, transpose_b = false;
  int64_t gap = 0;  ///< unused elements after every element and every row
  bool shared_b = false;
};

/// Strides of a [rows, cols] matrix, stored transposed or with gaps.
template <class T>
StridedMatrix<T> matrix(const T* data, int64_t rows, int64_t cols, bool transpose, int64_t gap) {
  const int64_t step = 1 + gap;
  if (transpose) return {data, step, rows * step + gap, cols * (rows * step + gap)};
  return {data, cols * step + gap, step, rows * (cols * step + gap)};
}

template <class T>
struct Problem {
  Case shape;
  std::vector<T> a, b;
  StridedMatrix<T> view_a, view_b;

  explicit Problem(const Case& shape)
      : shape(shape),
        a(values<T>(shape.batch * (shape.m + 1) * (shape.k + 1) * (shape.gap + 1) * (shape.gap + 1) + 1, 1)),
        b(values<T>(shape.batch * (shape.n + 1) * (shape.k + 1) * (shape.gap + 1) * (shape.gap + 1) + 1, 2)),
        view_a(matrix(a.data(), shape.m, shape.k, shape.transpose_a, shape.gap)),
        view_b(matrix(b.data(), shape.k, shape.n, shape.transpose_b, shape.gap)) {
    if (shape.shared_b) view_b.batch_stride = 0;
  }

  Gemm<T> gemm_into(std::vector<T>& c) const {
    return {.batch = shape.batch,
            .m = shape.m,
            .n = shape.n,
            .k = shape.k,
            .a = strided_a(view_a),
            .b = strided_b(view_b),
            .c = {.data = c.data(), .row_stride = shape.n, .batch_stride = shape.m * shape.n}};
  }

  /// Element (i, j) of product p, and the sum of the terms' magnitudes, which bounds its rounding error.
  std::pair<double, double> expected(int64_t p, int64_t i, int64_t j) const {
    double sum = 0, magnitude = 0;
    for (int64_t k = 0; k < shape.k; ++k) {
      const double term =
          static_cast<double>(
              view_a.data[p * view_a.batch_stride + i * view_a.row_stride + k * view_a.col_stride]) *
          view_b.data[p * view_b.batch_stride + k * view_b.row_stride + j * view_b.col_stride];
      sum += term;
      magnitude += std::abs(term);
    }
    return {sum, magnitude};
  }

  /// The largest error of c against factor·product + offset, in units of epsilon times the bound.
  double worst(const std::vector<T>& c, double offset = 0, double factor = 1) const {
    double result = 0;
    for (int64_t p = 0; p < shape.batch; ++p) {
      for (int64_t i = 0; i < shape.m; ++i) {
        for (int64_t j = 0; j < shape.n; ++j) {
          const auto [sum, magnitude] = expected(p, i, j);
          const double got = c[static_cast<std::size_t>((p * shape.m + i) * shape.n + j)];
          const double error = std::abs(got - (factor * sum + offset));
          const double bound = std::abs(factor) * magnitude + std::abs(offset) + 1e-30;
          result = std::max(result,
                            std::isfinite(got) ? error / (std::numeric_limits<T>::epsilon() * bound) : 1e30);
        }
      }
    }
    return result;
  }
};

template <class T>
void check_product(const Case& shape) {
  CAPTURE(shape.batch);
  CAPTURE(shape.m);
  CAPTURE(shape.n);
  CAPTURE(shape.k);
  CAPTURE(shape.transpose_a);
  CAPTURE(shape.transpose_b);
  CAPTURE(shape.gap);
  const Problem<T> problem(shape);
  std::vector<T> c(static_cast<std::size_t>(shape.batch * shape.m * shape.n),
                   std::numeric_limits<T>::quiet_NaN());
  gemm(problem.gemm_into(c));
  CHECK(problem.worst(c) < 8);
}

const std::vector<Case> kCases = {
    {1, 1, 1, 1},     {1, 1, 1, 0},       {2, 3, 4, 0},      {1, 1, 17, 5},      {1, 13, 1, 31},
    {1, 14, 32, 256}, {1, 15, 33, 257},   {1, 113, 65, 513}, {1, 127, 131, 137}, {1, 257, 16, 19},
    {1, 5, 700, 40},  {1, 300, 300, 300}, {3, 37, 41, 43},   {12, 29, 31, 20},   {20, 65, 33, 270},
    {1, 7, 9, 9000},  {2, 30, 60, 5000},  {1, 1200, 40, 30}, {1, 40, 1100, 30},  {9, 1, 1, 3},
};

TEST_CASE_TEMPLATE("gemm equals plain loops for every size, transpose and stride", T, float, double) {
  for (Case shape : kCases) {
    for (int variant = 0; variant < 4; ++variant) {
      shape.transpose_a = (variant & 1) != 0;
      shape.transpose_b = (variant & 2) != 0;
      check_product<T>(shape);
    }
  }
  check_product<T>({.batch = 2, .m = 45, .n = 50, .k = 61, .gap = 2});
  check_product<T>(
      {.batch = 2, .m = 45, .n = 50, .k = 61, .transpose_a = true, .transpose_b = true, .gap = 1});
  check_product<T>({.batch = 5, .m = 20, .n = 35, .k = 10, .shared_b = true});
  check_product<T>({.batch = 11, .m = 20, .n = 35, .k = 10, .shared_b = true});
}

TEST_CASE_TEMPLATE("gemm covers every tile height and width", T, float, double) {
  for (int64_t m = 1; m <= 30; ++m) check_product<T>({1, m, 1 + (m * 7) % 40, 9});
}

TEST_CASE("gemm packs B task by task when all of it would leave the cache") {
  check_product<float>({1, 30, 2100, 2050});
}

TEST_CASE_TEMPLATE("a product without depth is zero, in groups too", T, float, double) {
  const Problem<T> problem({.batch = 1, .m = 64, .n = 64, .k = 0});
  for (const int64_t group : {0, 64}) {
    std::vector<T> c(64 * 64, 1);
    Gemm<T> product = problem.gemm_into(c);
    product.depth_group = group;
    gemm(product);
    CHECK(std::ranges::count(c, T(0)) == 64 * 64);
  }
}

TEST_CASE_TEMPLATE("gemm writes nothing beside C", T, float, double) {
  const Problem<T> problem({.batch = 1, .m = 17, .n = 19, .k = 23});
  std::vector<T> wide(17 * 40, T{7});
  Gemm<T> product = problem.gemm_into(wide);
  product.c.row_stride = 40;
  gemm(product);
  for (std::size_t i = 0; i < wide.size(); ++i) {
    if (i % 40 >= 19) CHECK(wide[i] == T{7});
  }
}

TEST_CASE_TEMPLATE("gemm adds to C when asked to", T, float, double) {
  for (const Case& shape : {Case{3, 37, 41, 43}, Case{1, 20, 30, 9000}, Case{2, 3, 4, 0}}) {
    const Problem<T> problem(shape);
    std::vector<T> c(static_cast<std::size_t>(shape.batch * shape.m * shape.n), T{3});
    Gemm<T> product = problem.gemm_into(c);
    product.accumulate = true;
    gemm(product);
    CHECK(problem.worst(c, 3) < 8);
  }
}

/// c = 2·c + 1 and a count of how often each element was seen.
template <class T>
struct Affine {
  std::vector<int>* visits;
  int64_t m, n;

  static void apply(const void* state, const FinishedTile<T>& tile) {
    const auto& self = *static_cast<const Affine*>(state);
    for (int64_t i = 0; i < tile.rows; ++i) {
      for (int64_t j = 0; j < tile.cols; ++j) {
        T& value = tile.data[tile.row_offsets[i] + j];
        value = 2 * value + 1;
        ++(*self.visits)[static_cast<std::size_t>((tile.batch * self.m + tile.row + i) * self.n + tile.col +
                                                  j)];
      }
    }
  }
};

TEST_CASE_TEMPLATE("gemm hands each finished element to the epilogue once", T, float, double) {
  for (const Case& shape : {Case{1, 1, 1, 1}, Case{1, 150, 70, 600}, Case{12, 20, 40, 10},
                            Case{1, 10, 50, 9000}, Case{2, 5, 6, 0}}) {
    const Problem<T> problem(shape);
    const auto count = static_cast<std::size_t>(shape.batch * shape.m * shape.n);
    std::vector<T> c(count);
    std::vector<int> visits(count, 0);
    const Affine<T> affine{&visits, shape.m, shape.n};
    Gemm<T> product = problem.gemm_into(c);
    product.epilogue = {Affine<T>::apply, &affine};
    gemm(product);
    CHECK(problem.worst(c, 1, 2) < 8);
    CHECK(visits == std::vector<int>(count, 1));
  }
}

TEST_CASE_TEMPLATE("gemm puts the rows of C where it is told", T, float, double) {
  const Problem<T> problem({.batch = 1, .m = 130, .n = 21, .k = 33});
  std::vector<T> reversed(130 * 21), straight(130 * 21);
  gemm(problem.gemm_into(straight));
  Gemm<T> product = problem.gemm_into(reversed);
  product.c.offsets = [](const void*, int64_t row, int64_t rows, int64_t* result) {
    for (int64_t i = 0; i < rows; ++i) result[i] = (129 - row - i) * 21;
  };
  gemm(product);
  for (std::size_t i = 0; i < 130; ++i) {
    for (std::size_t j = 0; j < 21; ++j) CHECK(reversed[(129 - i) * 21 + j] == straight[i * 21 + j]);
  }
}

TEST_CASE_TEMPLATE("a product of 16-bit matrices is that of float32 on the same values, rounded once", Half,
                   BFloat16, Float16) {
  for (const Case& shape : {Case{1, 1, 1, 1}, Case{1, 150, 70, 600}, Case{12, 20, 40, 10}, Case{2, 5, 6, 0},
                            Case{3, 33, 47, 29, true, false}, Case{1, 70, 65, 300, false, true},
                            Case{1, 33, 47, 29, true, true, 2}, Case{4, 33, 47, 29, false, false, 0, true},
                            Case{1, 20, 30, 9000}, Case{1, 700, 600, 500}}) {
    const Problem<Half> problem(shape);
    const auto count = static_cast<std::size_t>(shape.batch * shape.m * shape.n);
    const std::vector<float> a(problem.a.begin(), problem.a.end()), b(problem.b.begin(), problem.b.end());
    StridedMatrix<float> view_a{a.data(), problem.view_a.row_stride, problem.view_a.col_stride,
                                problem.view_a.batch_stride},
        view_b{b.data(), problem.view_b.row_stride, problem.view_b.col_stride, problem.view_b.batch_stride};
    std::vector<float> wide(count);
    std::vector<Half> half(count, static_cast<Half>(NAN));
    Gemm<float> product{.batch = shape.batch,
                        .m = shape.m,
                        .n = shape.n,
                        .k = shape.k,
                        .a = strided_a(view_a),
                        .b = strided_b(view_b),
                        .c = output(wide.data())};
    product.c.row_stride = shape.n;
    product.c.batch_stride = shape.m * shape.n;
    gemm(product);
    product.a = strided_a(problem.view_a);
    product.b = strided_b(problem.view_b);
    product.c = output(half.data());
    product.c.row_stride = shape.n;
    product.c.batch_stride = shape.m * shape.n;
    gemm(product);
    bool equal = true;
    for (std::size_t i = 0; i < count; ++i) equal = equal && half[i].bits == Half(wide[i]).bits;
    CHECK(equal);
  }
}

TEST_CASE_TEMPLATE("gemm gives the same bits at any thread count", T, float, double) {
  const int before = thread_count();
  for (const Case& shape :
       {Case{1, 300, 300, 300}, Case{12, 29, 31, 20}, Case{1, 20, 30, 9000}, Case{1, 500, 64, 100}}) {
    const Problem<T> problem(shape);
    const auto count = static_cast<std::size_t>(shape.batch * shape.m * shape.n);
    std::vector<T> one(count), many(count);
    set_thread_count(1);
    gemm(problem.gemm_into(one));
    for (int threads : {2, 3, 5}) {
      set_thread_count(threads);
      gemm(problem.gemm_into(many));
      CHECK(one == many);
    }
  }
  set_thread_count(before);
}

}  // namespace
