#include "tensor/suggest.h"

#include <doctest/doctest.h>
#include <vector>

TEST_CASE("edit distance counts insertions, deletions, substitutions and swaps") {
  CHECK(tsr::edit_distance("", "") == 0);
  CHECK(tsr::edit_distance("", "abc") == 3);
  CHECK(tsr::edit_distance("kitten", "sitting") == 3);
  CHECK(tsr::edit_distance("simclr", "simlcr") == 1);
  CHECK(tsr::edit_distance("abc", "") == 3);
}

TEST_CASE("the nearest known name is suggested, or none when nothing is near") {
  const std::vector<std::string> known = {"simclr", "simsiam", "swav", "byol"};
  CHECK(tsr::nearest("simlcr", known) == "simclr");
  CHECK(tsr::nearest("SimSiam", known) == "simsiam");
  CHECK(tsr::nearest("bol", known) == "byol");
  CHECK(tsr::nearest("qqqqqqqq", known).empty());
  CHECK(tsr::nearest("simclr", std::vector<std::string>{}).empty());
}
