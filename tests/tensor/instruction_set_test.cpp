#include "tensor/cpu/instruction_set.h"

#include <doctest/doctest.h>
#include <set>
#include <string>

TEST_CASE("the instruction set is one that the kernels are compiled for") {
  const std::set<std::string> known = {"AVX3, AMX", "AVX3", "AVX2", "NEON", "SCALAR", "EMU128"};
  CHECK(known.count(tsr::instruction_set()) == 1);
}
