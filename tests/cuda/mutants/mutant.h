#pragma once
// Mutants: mistakes that mutate.py writes into copies of the kernels. One at most is on.

#include <bit>
#include <type_traits>
#include <vector>

namespace tsr::mutant {

/// Called at the place of mistake `number`: whether it is on. Notes that somebody came by.
bool on(unsigned number);

/// Switches a mistake on, and the one before off; 0 is none.
void switch_to(unsigned number);
/// The places passed since the last call, by number.
std::vector<bool> take_reached();

/// An index: one more for mistake `number`, one less for the next.
template <class T>
constexpr T index(unsigned number, T i) {
  if (std::is_constant_evaluated()) return i;
  return static_cast<T>(i + (on(number) ? 1 : 0) - (on(number + 1) ? 1 : 0));
}

/// A mask of lanes, which loses its highest.
inline unsigned mask(unsigned number, unsigned lanes) {
  return on(number) ? lanes & ~(0x80000000u >> std::countl_zero(lanes)) : lanes;
}

}  // namespace tsr::mutant
