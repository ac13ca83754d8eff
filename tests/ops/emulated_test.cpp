// The handwritten CUDA kernels, run by the emulator: every OpCase whose kernels are there gives its
// reference's values.
#include <algorithm>
#include <doctest/doctest.h>
#include <iostream>
#include <set>

#include "autograd/ops.h"
#include "tensor/kernels.h"
#include "tests/ops/op_check.h"

namespace tsr::test {
namespace {

TEST_CASE("every op that has its kernels on emu gives its reference's values there") {
  int run = 0;
  for (const OpCase& op_case : all_cases()) {
    if (!runs_on(op_case, Device::emu)) continue;
    ++run;
    for (const std::string& failure : check_values_on(op_case, Device::emu)) FAIL_CHECK(failure);
  }
  std::cout << run << " of " << all_cases().size() << " cases ran on emu\n";
  CHECK(run >= 464);
}

TEST_CASE("every op that has its kernels on emu gives its gradients there") {
  for (const OpCase& op_case : all_cases()) {
    if (!runs_on(op_case, Device::emu)) continue;
    for (const std::string& failure : check_gradients_on(op_case, Device::emu)) FAIL_CHECK(failure);
  }
}

TEST_CASE("pooling and resampling on emu give their values and gradients in low precision") {
  const std::set<std::string> slots{"max_pool2d_fwd", "avg_pool2d_fwd", "resample_fwd", "grid_sample_fwd"};
  int run = 0;
  for (const OpCase& op_case : all_cases()) {
    if (std::ranges::none_of(op_case.kernels, [&](const auto& name) { return slots.contains(name); }))
      continue;
    for (const DType dtype : {bfloat16, float16}) CHECK(has_low_precision(op_case, dtype, Device::emu));
    ++run;
    for (const std::string& failure : check_low_precision(op_case, Device::emu)) FAIL_CHECK(failure);
  }
  CHECK(run >= 20);
}

TEST_CASE("a tensor goes to emu and comes back") {
  const Tensor x = from_values({1, 2, 3, 4, 5, 6}, {2, 3});
  const Tensor there = x.to(Device::emu);
  CHECK(there.device() == Device::emu);
  CHECK(text(there.to(Device::cpu)) == text(x));
  CHECK(text(transpose(there).to(Device::cpu)) == text(transpose(x).clone()));
  CHECK(text(there) == text(x));  // a tensor prints itself wherever it is
  CHECK_THROWS_WITH_AS(there.data<float>(),
                       "data: float32[2, 3] is on emu; copy it to the host with to(Device::cpu)", Error);
  CHECK_THROWS_WITH_AS(x + there, doctest::Contains("move one with to(device)"), Error);
}

}  // namespace
}  // namespace tsr::test
