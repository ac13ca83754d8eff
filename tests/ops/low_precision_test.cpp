// Ops in bfloat16 and float16: every OpCase, and what widening promises.
#include <doctest/doctest.h>
#include <set>

#include "autograd/ops.h"
#include "tensor/kernels.h"
#include "tensor/random.h"
#include "tests/ops/op_check.h"
#include "tests/ops/quarter.h"

namespace tsr::test {
namespace {

TEST_CASE_TEMPLATE(
    "every op in low precision is about as good as rounding its reference, and so are its gradients", Share,
    TSR_QUARTERS) {
  for (const OpCase* op_case : Share::cases())
    for (const std::string& failure : check_low_precision(*op_case)) FAIL_CHECK(failure);
}

TEST_CASE("ops of every family have low precision, and an optimiser's step has not") {
  std::set<std::string> names;
  for (const OpCase& op_case : all_cases())
    if (has_low_precision(op_case, bfloat16) && has_low_precision(op_case, float16))
      names.insert(op_case.name);
  for (const char* name : {"add",        "where",
                           "sum",        "max",
                           "softmax",    "cross_entropy",
                           "topk",       "scatter_add",
                           "matmul",     "linear",
                           "conv2d",     "conv2d_backward_weight",
                           "batch_norm", "batch_norm_eval",
                           "max_pool2d", "avg_pool2d_backward",
                           "uniform",    "concat",
                           "gelu",       "layer_norm",
                           "cumsum",     "dropout",
                           "sort",       "grid_sample",
                           "resize",     "cdist"}) {
    CAPTURE(std::string(name));
    CHECK(names.contains(name));
  }
  CHECK_FALSE(names.contains("sgd_step"));
}

TEST_CASE("a pointwise op on a tensor of many blocks gives each element its own") {
  Generator generator(5);
  for (const Shape& shape : {Shape{7, 9000}, Shape{40'000}, Shape{3, 2, 20'000}, Shape{50'000, 3}}) {
    Shape last = shape;
    for (int axis = 0; axis + 1 < last.rank(); ++axis) last[axis] = 1;
    const Tensor a = normal(shape, generator, 0, 1, bfloat16), b = normal(last, generator, 0, 1, bfloat16);
    const Tensor y = add(a, b), expected = add(a.to(float32), b.to(float32)).to(bfloat16);
    const Tensor less = lt(b, a), expected_less = lt(b.to(float32), a.to(float32));
    bool equal = true;
    for (std::int64_t i = 0; i < y.numel(); ++i)
      equal = equal && y.data<BFloat16>()[i].bits == expected.data<BFloat16>()[i].bits &&
              less.data<bool>()[i] == expected_less.data<bool>()[i];
    CHECK(equal);
  }
}

TEST_CASE("a pointwise op makes no float32 copy of a whole tensor") {
  const Tensor x = zeros({1 << 22}, bfloat16);
  Allocator& memory = allocator(Device::cpu);
  memory.reset_peak();
  const std::int64_t before = memory.stats().live_bytes;
  const Tensor y = exp(x);
  CHECK(memory.stats().peak_bytes - before < 2 * (1 << 22) + (4 << 20));  // y, and blocks for the threads
}

TEST_CASE("what has no kernel for low precision says so") {
  const Tensor x = zeros({3}, bfloat16);
  Context context(Device::cpu);
  CHECK_THROWS_WITH_AS(sgd_step(context, x.view(), {}),
                       "sgd_step: no cpu kernel for bfloat16 (has: cpu float32, float64; emu float32)",
                       Error);
  CHECK(exp_fwd.available() == "cpu float32, float64, bfloat16, float16; emu float32, bfloat16, float16");
  CHECK_FALSE(exp_fwd.has(Device::cuda, bfloat16));  // the CPU alone widens
}

}  // namespace
}  // namespace tsr::test
