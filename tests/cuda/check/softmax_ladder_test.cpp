// What the kernels of docs/first-kernel.md ask for, counted by hand for a row of 1024 numbers.
#include <cstdint>
#include <doctest/doctest.h>
#include <string>

#define TSR_BACKEND emu
#include "cuda/check/profile.h"
#include "examples/kernel/softmax_ladder.h"
#include "tensor/error.h"

namespace tsr::emu {
namespace {

using check::Kind;
using check::Meeting;
using check::Memory;

constexpr std::int64_t kRows = 64, kNumbers = 1024;

/// For each row: loads, their sectors, stores, their sectors | waves of shared memory | barriers,
/// collectives.
std::string asked_for_by(const Rung& rung) {
  check::begin_profile();
  weights(rung, draw_logits(kRows, kNumbers, 0));
  const auto profiles = check::end_profile();
  REQUIRE(profiles.size() == 1);
  const check::KernelProfile& profile = profiles.front();
  const auto load = profile.total(Memory::global, Kind::read),
             store = profile.total(Memory::global, Kind::write);
  auto shared = profile.total(Memory::shared, Kind::read);
  shared += profile.total(Memory::shared, Kind::write);
  CHECK(shared.transactions == shared.requests);  // no two lanes of a warp want one bank
  const auto each = [](std::uint64_t count) {
    REQUIRE(count % kRows == 0);
    return count / kRows;
  };
  return text(each(load.requests), ' ', each(load.transactions), ' ', each(store.requests), ' ',
              each(store.transactions), " | ", each(shared.transactions), " | ",
              each(profile.total(Meeting::barrier)), ' ', each(profile.total(Meeting::collective)));
}

TEST_CASE("each rung of the softmax ladder asks for what its page says") {
  const auto ladder = softmax_ladder();
  REQUIRE(ladder.size() == 6);
  // a warp's 32 numbers are 4 sectors side by side, and 32 when each lies in a row of its own
  CHECK(asked_for_by(ladder[0]) == "64 2048 32 1024 | 0 | 0 0");
  // three passes; a tree writes 8 times, reads 8 times at its end, and adds in 4 + 2 + 6 warps, two loads and
  // a store each
  CHECK(asked_for_by(ladder[1]) == "96 384 32 128 | 104 | 20 0");
  // 8 warps shuffle twice 5 times, for the maximum and for the sum
  CHECK(asked_for_by(ladder[2]) == "96 384 32 128 | 32 | 4 160");
  // a quarter of the instructions, for as many sectors
  CHECK(asked_for_by(ladder[3]) == "24 384 8 128 | 32 | 4 160");
  // two passes instead of three
  CHECK(asked_for_by(ladder[4]) == "16 256 8 128 | 32 | 4 160");
  CHECK(asked_for_by(ladder[5]) == "64 256 32 128 | 32 | 4 160");
}

TEST_CASE("no rung of the softmax ladder has a finding") {
  for (const Rung& rung : softmax_ladder()) {
    CAPTURE(rung.name);
    CHECK(largest_error(rung, draw_logits(3, 516, 0)) < 1e-4);
  }
}

}  // namespace
}  // namespace tsr::emu
