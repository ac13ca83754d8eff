// split, chunk, unbind and diagonal: views of the parts, and their gradients.
#include <doctest/doctest.h>

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

const bool split_cases =
    add_case({.name = "diagonal",
              .kernels = {"copy_fwd"},
              .call = [](const Tensors& x) { return diagonal(x[0], 1); },
              .reference =
                  [](const Tensors& x) {
                    const std::int64_t batch = x[0].shape()[0], m = x[0].size(-2), n = x[0].size(-1),
                                       count = std::max<std::int64_t>(0, std::min(m, n - 1));
                    Tensor y(Shape{batch, count}, float64, Device::cpu);
                    for (std::int64_t b = 0; b < batch; ++b)
                      for (std::int64_t i = 0; i < count; ++i)
                        y.data<double>()[b * count + i] = x[0].data<double>()[(b * m + i) * n + i + 1];
                    return y;
                  },
              .variants = {{{{{2, 3, 4}}}},
                           {{{{2, 4, 3}, Values::normal, 0, true}}},
                           {{{{1, 5, 2}}}},
                           {{{{3, 1, 1}}}},
                           {{{{0, 2, 2}}}}}});

std::vector<std::int64_t> sizes_of(const Tensors& parts, int axis) {
  std::vector<std::int64_t> sizes;
  for (const Tensor& part : parts) sizes.push_back(part.shape()[axis]);
  return sizes;
}

using Sizes = std::vector<std::int64_t>;

TEST_CASE("parts cover the axis in order and share storage") {
  const Tensor x = reshape(arange(21, float32), {3, 7});
  CHECK(sizes_of(split(x, 3, -1), 1) == Sizes{3, 3, 1});
  CHECK(sizes_of(split(x, Sizes{2, 0, 5}, 1), 1) == Sizes{2, 0, 5});
  CHECK(sizes_of(chunk(x, 3, 1), 1) == Sizes{3, 3, 1});
  CHECK(sizes_of(chunk(x, 5, 1), 1) == Sizes{2, 2, 2, 1});
  CHECK(sizes_of(chunk(x, 4), 0) == Sizes{1, 1, 1});
  CHECK(sizes_of(split(zeros({0, 2}), 3), 0) == Sizes{0});
  const Tensors columns = unbind(x, 1);
  CHECK(columns.size() == 7);
  CHECK(columns[6].shape() == Shape{3});
  CHECK(select(columns[6], 0, 1).item() == 13);
  for (const Tensor& part : split(x, 2, 1)) CHECK(part.storage() == x.storage());
  CHECK(select(split(x, 3, -1)[2], 0, 2).item() == 20);
}

TEST_CASE("gradients of all parts meet in the whole") {
  const auto f = [](const Tensors& x) {
    const Tensors parts = split(x[0], 2, 1), rows = unbind(x[0], 0);
    return concat({parts[1] * parts[0], parts[2] * parts[2]}, 1) * sum(rows[0] * rows[1]);
  };
  const Tensors inputs = draw_inputs({{{3, 5}}}, float64, 1);
  CHECK(gradcheck(f, inputs) == "");
  CHECK(gradcheck(f, inputs, {.tolerance = 1e-5, .second = true}) == "");
}

TEST_CASE("diagonals on both sides, beyond the corners, and as a view") {
  const Tensor x = reshape(arange(6, float32), {2, 3});
  CHECK(diagonal(x).storage() == x.storage());
  CHECK(diagonal(x, -1).item() == 3);
  CHECK(diagonal(x, 2).item() == 2);
  CHECK(diagonal(x, 3).numel() == 0);
  CHECK(diagonal(x, -2).numel() == 0);
}

TEST_CASE("parts that don't fit are named") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_WITH_AS(split(x, Sizes{1, 1}, 1),
                       "split: the sizes add up to 2, axis 1 of float32[2, 3] has 3", Error);
  CHECK_THROWS_WITH_AS(split(x, Sizes{-1, 4}, 1), "split: negative size -1 along axis 1 of float32[2, 3]",
                       Error);
  CHECK_THROWS_WITH_AS(split(x, 0), "split: parts of size 0 of float32[2, 3]; it must be positive", Error);
  CHECK_THROWS_WITH_AS(chunk(x, 0), "chunk: 0 parts of float32[2, 3]; there must be at least one", Error);
  CHECK_THROWS_WITH_AS(diagonal(zeros({2})), "diagonal: float32[2] is not a matrix [..., m, n]", Error);
}

}  // namespace
}  // namespace tsr::test
