// Counts what each softmax of docs/first-kernel.md asks of a GPU. Built by the preset `check`.
#include <cstdio>

#include "cuda/check/profile.h"
#include "examples/kernel/softmax_ladder.h"

namespace {

using namespace tsr;
using emu::check::Kind;
using emu::check::Meeting;
using emu::check::Memory;
using emu::check::Traffic;

constexpr int kRows = 64, kNumbers = 1024;

unsigned long long each(std::uint64_t count) { return count / kRows; }

void print_rung(const emu::Rung& rung, const Tensor& logits) {
  emu::check::begin_profile();
  emu::weights(rung, logits);
  const auto profiles = emu::check::end_profile();
  const auto& profile = profiles.front();
  const Traffic load = profile.total(Memory::global, Kind::read),
                store = profile.total(Memory::global, Kind::write);
  Traffic shared = profile.total(Memory::shared, Kind::read);
  shared += profile.total(Memory::shared, Kind::write);
  std::printf("%-11s%7llu%8llu%9llu%9llu%9llu%9llu%10llu%10llu\n", rung.name, each(load.requests),
              each(load.bytes), each(load.transactions), each(store.requests), each(store.transactions),
              each(shared.transactions), each(profile.total(Meeting::barrier)),
              each(profile.total(Meeting::collective)));
}

}  // namespace

int main() {
  const Tensor logits = emu::draw_logits(kRows, kNumbers, 0);
  std::printf("for each row of %d numbers\n", kNumbers);
  std::printf("%-11s%7s%8s%9s%9s%9s%9s%10s%10s\n", "", "loads", "bytes", "sectors", "stores", "sectors",
              "shared", "barriers", "shuffles");
  for (const emu::Rung& rung : emu::softmax_ladder()) print_rung(rung, logits);
}
