#pragma once
// A check of every OpCase as four ctest entries, which run side by side:
//   TEST_CASE_TEMPLATE("every …", Quarter, TSR_QUARTERS) { for (const OpCase* op_case : Quarter::cases()) … }

#include <doctest/doctest.h>
#include <vector>

#include "tests/ops/op_case.h"

namespace tsr::test {

template <int number>
struct Quarter {
  /// Every fourth case: neighbours, which cost alike, are shared out.
  static std::vector<const OpCase*> cases() {
    std::vector<const OpCase*> share;
    for (std::size_t i = number - 1; i < all_cases().size(); i += 4) share.push_back(&all_cases()[i]);
    return share;
  }
};

}  // namespace tsr::test

#define TSR_QUARTERS \
  ::tsr::test::Quarter<1>, ::tsr::test::Quarter<2>, ::tsr::test::Quarter<3>, ::tsr::test::Quarter<4>
TYPE_TO_STRING_AS("1 of 4", tsr::test::Quarter<1>);
TYPE_TO_STRING_AS("2 of 4", tsr::test::Quarter<2>);
TYPE_TO_STRING_AS("3 of 4", tsr::test::Quarter<3>);
TYPE_TO_STRING_AS("4 of 4", tsr::test::Quarter<4>);
