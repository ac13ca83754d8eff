// Draws: the same stream after a restart, and ready-made tensors in replay.
#include "nn/draws.h"

#include <cstring>
#include <doctest/doctest.h>

#include "tensor/error.h"

namespace tsr::test {
namespace {

Draws declared() {
  return Draws({{.name = "noise", .dtype = float32, .shape = "N, 2"},
                {.name = "dropped", .dtype = float32, .shape = "N"},
                {.name = "order", .dtype = int64, .shape = "N"}},
               Generator(7));
}

bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.raw(), b.raw(), static_cast<std::size_t>(a.numel() * size_of(a.dtype()))) == 0;
}

}  // namespace

TEST_CASE("draws go on from a saved state") {
  Draws draws = declared();
  const Tensor first = draws.normal("noise", {4, 2});
  draws.begin_step(1);
  State saved;
  draws.state(saved);
  const Tensor second = draws.normal("noise", {4, 2});
  const Tensor order = draws.permutation("order", 9);
  CHECK_FALSE(same(first, second));

  Draws restored = declared();
  State reading(saved.tensors());
  restored.state(reading);
  reading.finish();
  CHECK(same(restored.normal("noise", {4, 2}), second));
  CHECK(same(restored.permutation("order", 9), order));
  CHECK(restored.uniform("dropped", {3}, float64).dtype() == float64);
}

TEST_CASE("each draw is declared, of its dtype, and made once a step") {
  Draws draws = declared();
  draws.uniform("dropped", {3});
  CHECK_THROWS_WITH_AS(draws.uniform("dropped", {3}),
                       "draw 'dropped': made twice in a step; declare each under a name of its own", Error);
  draws.begin_step(1);
  CHECK_NOTHROW(draws.uniform("dropped", {3}));
  CHECK_THROWS_WITH_AS(draws.normal("nois", {3}),
                       "draw 'nois': the method doesn't declare it; did you mean 'noise'?", Error);
  CHECK_THROWS_WITH_AS(draws.permutation("noise", 3), "draw 'noise': declared as float32 but drawn as int64",
                       Error);
}

TEST_CASE("a repeated draw may be made again in a step, each time from a tensor of its own") {
  Draws draws({}, Generator(7));
  draws.declare({.name = "path", .shape = "samples", .repeated = true});
  CHECK(!same(draws.uniform("path", {3}), draws.uniform("path", {3})));
  CHECK(draws.made("path") == 2);
  draws.begin_step(1);
  CHECK(draws.made("path") == 0);
  const Tensor first = from_values({1, 2, 3, 4}, {2, 2}), second = from_values({5, 6}, {2, 1});
  draws.replay({{"rand.path.0", first}, {"rand.path.1", second}});
  CHECK(same(draws.uniform("path", {2}, float64), from_values({3, 4}, {2}).to(float64)));
  CHECK(same(draws.uniform("path", {1}), from_values(std::vector<float>{6}, {1})));
  CHECK_THROWS_WITH_AS(draws.uniform("path", {1}), "tensor 'rand.path.2' is missing: the method draws it",
                       InputError);
}

TEST_CASE("replay takes the draws of each step from tensors") {
  Draws draws = declared();
  draws.replay({{"rand.noise", from_values({1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2})},
                {"rand.order", from_values(std::vector<std::int64_t>{0, 1, 1, 0}, {2, 2})}});
  draws.begin_step(1);
  const Tensor noise = draws.normal("noise", {2, 2}, float64);
  CHECK(same(noise, from_values({5, 6, 7, 8}, {2, 2}).to(float64)));
  CHECK(same(draws.permutation("order", 2), from_values(std::vector<std::int64_t>{1, 0}, {2})));
  CHECK_THROWS_WITH_AS(draws.uniform("dropped", {3}), "tensor 'rand.dropped' is missing: the method draws it",
                       InputError);
  draws.begin_step(0);
  CHECK_THROWS_WITH_AS(
      draws.normal("noise", {3, 2}),
      "tensor 'rand.noise' is float32[2, 2, 2] but step 0 of the method draws float32[3, 2]; "
      "put an axis of steps before it",
      InputError);
  draws.begin_step(2);
  CHECK_THROWS_AS(draws.normal("noise", {2, 2}), InputError);
}

}  // namespace tsr::test
