// What the registry check says about ops and slots outside the library. This program has no cases, and so one
// op and one slot too many.
#include "tests/ops/op_check.h"

#include <algorithm>
#include <doctest/doctest.h>

#include "autograd/op.h"

namespace tsr::test {
namespace {

const OpInfo kOrphan("orphan");
UnaryKernel orphan_fwd{"orphan_fwd"};

TEST_CASE("an op and a slot outside the library are missed when they have no case or kernel") {
  const Failures failures = check_registry(Scope::outside);
  for (const char* line :
       {"orphan: the op has no case", "orphan_fwd: no case exercises the slot",
        "orphan_fwd: no cpu kernel for float32", "orphan_fwd: no cpu kernel for float64"}) {
    CAPTURE(line);
    CHECK(std::ranges::count(failures, line) == 1);
  }
  for (const std::string& failure : failures) CHECK_FALSE(failure.starts_with("add"));
  CHECK(check_registry(Scope::all).size() > failures.size());
  CHECK(run_op_cases() == 1);
}

}  // namespace
}  // namespace tsr::test
