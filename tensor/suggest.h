#pragma once
// "Did you mean …?" for names that nobody knows: data sets, methods, configuration keys.

#include <span>
#include <string>
#include <string_view>

namespace tsr {

/// Insertions, deletions, substitutions and swaps of neighbours that turn a into b (optimal string
/// alignment).
int edit_distance(std::string_view a, std::string_view b);

/// The known name with the smallest edit distance to `word`, upper and lower case being equal; the first of
/// several. Empty when `known` is empty or no name shares even a third of its letters.
std::string nearest(std::string_view word, std::span<const std::string> known);

/// The end of a message about an unknown word: "did you mean 'simclr'?", or "known: a b c" when nothing is
/// near.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);

}  // namespace tsr
