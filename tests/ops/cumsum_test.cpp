// Cases of cumsum.
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"

namespace tsr::test {
namespace {

/// Running sums along an axis of a dense tensor of three axes.
Tensor running(const Tensor& x, int axis, bool reverse) {
  const Shape step = dense_strides(x.shape());
  Tensor y(x.shape(), float64, Device::cpu);
  for (std::int64_t flat = 0; flat < x.numel(); ++flat) {
    const std::int64_t n = x.shape()[axis], at = flat / step[axis] % n;
    double total = 0;
    for (std::int64_t i = reverse ? at : 0; i < (reverse ? n : at + 1); ++i)
      total += x.data<double>()[flat + (i - at) * step[axis]];
    y.data<double>()[flat] = total;
  }
  return y;
}

bool scan(int axis, bool reverse) {
  return add_case({.name = "cumsum",
                   .kernels = {"cumsum_fwd"},
                   .call = [=](const Tensors& x) { return cumsum(x[0], axis, reverse); },
                   .reference = [=](const Tensors& x) { return running(x[0], axis, reverse); },
                   .variants = {{{{{2, 0, 3}}}},
                                {{{{1, 1, 1}}}},
                                {{{{2, 3, 5}}}},
                                {{{{3, 4, 2}, Values::normal, 0, true}}},
                                {{{{2, 5, 3}, Values::rising}}},
                                {{{{20, 6, 130}, Values::huge}}, false},
                                {{{{90, 70, 5}}}, false},
                                {{{{3, 5, 1000}}}, false}},
                   .tolerance32 = 1e-6,
                   .benchmark = {{{16, 1024, 1024}}}});
}

const bool cumsum_cases[] = {scan(2, false), scan(2, true),  scan(0, false),
                             scan(0, true),  scan(1, false), scan(1, true)};

TEST_CASE("a running sum is kept in float64") {
  const Tensor y = cumsum(full({1 << 20}, 0.1), 0);
  CHECK(y.data<float>()[(1 << 20) - 1] == doctest::Approx(double{0.1f} * (1 << 20)).epsilon(6e-8));
  CHECK(std::isnan(cumsum(from_values({1, NAN, 2}, {3}), 0).data<float>()[2]));
  CHECK(cumsum(from_values({1, INFINITY, 2}, {3}), 0).data<float>()[2] == INFINITY);
}

TEST_CASE("cumsum: wrong axes and dtypes are named") {
  CHECK_THROWS_WITH_AS(cumsum(zeros({2, 3}), 2),
                       "cumsum: axis 2 is out of range for a tensor of 2 axes (-2 to 1)", Error);
  CHECK_THROWS_WITH_AS(cumsum(zeros({2}, int64), 0),
                       "cumsum: int64[2] is not floating; convert it with cast(x, float32)", Error);
}

}  // namespace
}  // namespace tsr::test
