// Lists of named things.
#include "tensor/registry.h"

#include <doctest/doctest.h>

namespace tsr::test {

TEST_CASE("a registry finds by name, suggests the nearest, and refuses a name that two have") {
  struct Fruit {
    std::string name;
    int seeds = 0;
  };
  Registry<Fruit> fruits("fruit");
  fruits.add({"pear", 10});
  fruits.add({"apple", 5});
  const Fruit& apple = fruits.find("apple");
  fruits.add({"fig", 1000});
  fruits.add({"fig", 2});
  CHECK(&fruits.find("apple") == &apple);
  CHECK(fruits.find("pear").seeds == 10);
  CHECK(fruits.names() == std::vector<std::string>{"apple", "fig", "pear"});
  CHECK_THROWS_WITH_AS(fruits.find("aple"), "fruit 'aple': unknown; did you mean 'apple'?", InputError);
  CHECK_THROWS_WITH_AS(fruits.find("fig"), "fruit 'fig': registered twice; give one another name", Error);
}

}  // namespace tsr::test
