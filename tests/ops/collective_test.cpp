// all_gather: the identity in one process; values and gradients over two.
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/ops/op_case.h"
#include "tests/ops/thread_group.h"

namespace tsr::test {
namespace {

const bool collective_cases = add_case({.name = "all_gather",
                                        .kernels = {},
                                        .call = [](const Tensors& x) { return all_gather(x[0]); },
                                        .reference = [](const Tensors& x) { return x[0]; },
                                        .variants = {{{{{3, 2}}}}, {{{{2, 3}, Values::normal, 0, true}}}}});

TEST_CASE("all_gather joins the processes' rows and sums the gradients of one's own") {
  Tensors gathered(2), grads(2);
  ThreadGroup().run([&](int rank) {
    const auto r = static_cast<std::size_t>(rank);
    Tensor mine = full({2, 2}, 1 + rank);
    mine.requires_grad_();
    gathered[r] = all_gather(mine);
    // each process weighs the rows differently: row i by (rank + 1)·10^i
    backward(sum(gathered[r] * from_values({1, 10, 100, 1000}, {4, 1}) * (1.0 + rank)));
    grads[r] = mine.grad();
  });
  const auto values = [](const Tensor& x) {
    return std::vector<float>(x.data<float>(), x.data<float>() + x.numel());
  };
  for (const Tensor& all : gathered) CHECK(values(all) == std::vector<float>{1, 1, 1, 1, 2, 2, 2, 2});
  CHECK(values(grads[0]) == std::vector<float>{3, 3, 30, 30});
  CHECK(values(grads[1]) == std::vector<float>{300, 300, 3000, 3000});
}

}  // namespace
}  // namespace tsr::test
