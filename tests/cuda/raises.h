#pragma once
// CHECK_RAISES(expression, part, …): it throws tsr::Error, whose text holds every part.

#include <doctest/doctest.h>
#include <initializer_list>
#include <string>

#include "tensor/error.h"

namespace tsr::test {

template <class Call>
void check_raises(const Call& call, std::initializer_list<const char*> parts) {
  try {
    call();
    FAIL_CHECK("nothing was raised; expected: " << *parts.begin());
  } catch (const Error& error) {
    const std::string message = error.what();
    for (const std::string part : parts) {
      CAPTURE(message);
      CAPTURE(part);
      CHECK(message.find(part) != std::string::npos);
    }
  }
}

}  // namespace tsr::test

#define CHECK_RAISES(expression, ...) ::tsr::test::check_raises([&] { expression; }, {__VA_ARGS__})
