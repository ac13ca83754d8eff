// Settings: types, ranges, and keys that nobody reads.
#include "ssl/settings.h"

#include <doctest/doctest.h>

#include "tensor/error.h"

namespace tsr::test {

TEST_CASE("a setting is what was given last, else the default; both are noted as effective") {
  Settings settings;
  settings.assign("temperature=0.1");
  settings.assign("temperature=2e-1");
  settings.assign("name=a=b");
  CHECK(settings.real("temperature", 0.5) == 0.2);
  CHECK(settings.integer("width", 64) == 64);
  CHECK(settings.flag("mask", true));
  CHECK(settings.choice("name", "c") == "a=b");
  CHECK(settings.effective() ==
        std::map<std::string, std::string>{
            {"temperature", "0.2"}, {"width", "64"}, {"mask", "true"}, {"name", "a=b"}});
  settings.check_all_read();
}

TEST_CASE("values of a wrong type or out of range are refused by key") {
  Settings settings;
  for (const char* text : {"rate=", "rate=1x", "rate=nan", "rate=inf", "rate=--1", "rate=1e999", "rate= 1"}) {
    settings.assign(text);
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(settings.real("rate", 1), doctest::Contains("setting rate="), InputError);
  }
  settings.assign("rate=3");
  CHECK_THROWS_WITH_AS(settings.real("rate", 1, 0, 2), "setting rate=3: outside 0 to 2", InputError);
  settings.assign("count=1.5");
  CHECK_THROWS_WITH_AS(settings.integer("count", 1), "setting count=1.5: not an integer", InputError);
  settings.assign("count=99999999999999999999");
  CHECK_THROWS_AS(settings.integer("count", 1), InputError);
  settings.assign("flag=1");
  CHECK_THROWS_WITH_AS(settings.flag("flag", true), "setting flag=1: write true or false", InputError);
  settings.assign("stem=big");
  CHECK_THROWS_WITH_AS(settings.choice("stem", "a", {"a", "b"}), "setting stem=big: choose one of a b",
                       InputError);
  CHECK_THROWS_WITH_AS(settings.assign("=3"), "--set =3: expected key=value", InputError);
}

TEST_CASE("a key that nobody read is refused with the nearest that somebody did") {
  Settings settings;
  settings.assign("temprature=1");
  settings.real("temperature", 0.5);
  settings.real("momentum", 0.9);
  CHECK_THROWS_WITH_AS(settings.check_all_read(), "setting temprature: unknown; did you mean 'temperature'?",
                       InputError);
}

TEST_CASE("another default yields to what is given, and may stay unread") {
  Settings settings;
  settings.assign("rate=2");
  settings.set_default("rate", "3");
  settings.set_default("decay", "0.5");
  settings.set_default("unread", "1");
  CHECK(settings.real("rate", 1) == 2);
  CHECK(settings.real("decay", 1) == 0.5);
  CHECK(settings.effective().at("decay") == "0.5");
  CHECK_FALSE(settings.has("decay"));
  settings.check_all_read();
}

}  // namespace tsr::test
