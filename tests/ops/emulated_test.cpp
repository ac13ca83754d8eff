// The handwritten CUDA kernels, run by the emulator: every slot has one, and every OpCase gives its
// reference's values.
#include <algorithm>
#include <doctest/doctest.h>
#include <iostream>

#include "autograd/ops.h"
#include "cuda/emulator/grid.h"
#include "tensor/kernels.h"
#include "tests/ops/op_check.h"
#include "tests/ops/quarter.h"

namespace tsr::test {
namespace {

/// What stands in for cuBLAS and cuDNN, until its end.
class ThroughDoors {
 public:
  ThroughDoors() { choose_variant(Device::emu, "library"); }
  ~ThroughDoors() { choose_variant(Device::emu, "handwritten"); }
  ThroughDoors(const ThroughDoors&) = delete;
  ThroughDoors& operator=(const ThroughDoors&) = delete;
};

bool has_door(const OpCase& op_case) {
  return std::ranges::any_of(KernelSlot::all(), [&](const KernelSlot* slot) {
    return slot->has_variant(Device::emu, "library") && std::ranges::count(op_case.kernels, slot->name()) > 0;
  });
}

TEST_CASE_TEMPLATE("every op gives its reference's values on emu", Share, TSR_QUARTERS) {
  for (const OpCase* op_case : Share::cases()) {
    CHECK_MESSAGE(runs_on(*op_case, Device::emu), op_case->name, " lacks a kernel on emu");
    for (const std::string& failure : check_values_on(*op_case, Device::emu)) FAIL_CHECK(failure);
  }
}

TEST_CASE("gradients on emu are those of the host") {
  int run = 0;
  for (const OpCase& op_case : all_cases()) {
    if (op_case.differentiable == Differentiable::no) continue;
    ++run;
    for (const std::string& failure : check_gradients_on(op_case, Device::emu)) FAIL_CHECK(failure);
  }
  std::cout << "gradients of " << run << " cases ran on emu\n";
  CHECK(run >= 520);
}

TEST_CASE("every op with low precision is as good on emu as on the host") {
  int run = 0;
  for (const OpCase& op_case : all_cases()) {
    if (!has_low_precision(op_case, bfloat16, Device::emu) ||
        !has_low_precision(op_case, float16, Device::emu))
      continue;
    ++run;
    for (const std::string& failure : check_low_precision(op_case, Device::emu)) FAIL_CHECK(failure);
  }
  std::cout << run << " cases ran on emu in bfloat16 and float16\n";
  CHECK(run >= 597);
}

TEST_CASE("products and convolutions through the doors are as good on emu as by hand") {
  const ThroughDoors through_doors;
  const auto launches = [] { return emu::launch_count("stand_in_kernel"); };
  const auto by_hand = [] {
    return emu::launch_count("sgemm_kernel") + emu::launch_count("mma_gemm_kernel");
  };
  const std::size_t before = by_hand();
  int run = 0;
  for (const OpCase& op_case : all_cases()) {
    if (!has_door(op_case)) continue;
    ++run;
    const std::size_t launched = launches();
    for (const std::string& failure : check_values_on(op_case, Device::emu)) FAIL_CHECK(failure);
    const bool empty = std::ranges::all_of(op_case.variants, [](const Variant& v) {
      return std::ranges::any_of(v.inputs, [](const Input& input) { return input.shape.numel() == 0; });
    });
    CHECK_MESSAGE((empty || launches() > launched), op_case.name, " did not go through a door");
    if (op_case.differentiable != Differentiable::no)
      for (const std::string& failure : check_gradients_on(op_case, Device::emu)) FAIL_CHECK(failure);
    for (const std::string& failure : check_low_precision(op_case, Device::emu)) FAIL_CHECK(failure);
  }
  std::cout << run << " cases went through the doors on emu\n";
  CHECK(run >= 90);
  CHECK(by_hand() == before);
}

TEST_CASE("every slot has its handwritten kernels") {
  for (const KernelSlot* slot : KernelSlot::all())
    for (const DType dtype : {float32, bfloat16, float16, int64, int32, uint8, boolean})
      if (slot->has(Device::cpu, dtype))
        CHECK_MESSAGE(slot->has(Device::emu, dtype), slot->name(), " has no emu kernel for ", text(dtype));
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
