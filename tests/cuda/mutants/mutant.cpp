#include "tests/cuda/mutants/mutant.h"

#include <utility>

namespace tsr::mutant {
namespace {

// Kernels run on one thread in the checking build.
unsigned active = 0;
std::vector<bool> reached;

}  // namespace

bool on(unsigned number) {
  if (number >= reached.size()) reached.resize(number + 1);
  reached[number] = true;
  return number == active;
}

void switch_to(unsigned number) { active = number; }
std::vector<bool> take_reached() { return std::exchange(reached, {}); }

}  // namespace tsr::mutant
