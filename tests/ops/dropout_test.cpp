// Cases of dropout: the elements that stay, against Philox words taken one by one.
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tests/ops/op_case.h"
#include "tests/ops/philox_words.h"

namespace tsr::test {
namespace {

bool kept(std::int64_t i, double p) {
  return words_of(i)[static_cast<std::size_t>(i % 4)] >= p * 4294967296.0;
}

/// x where what it belongs to stays, `size` elements going together.
Tensor reference(const Tensor& x, double p, std::int64_t size) {
  Tensor y = x.clone();
  for (std::int64_t i = 0; i < y.numel(); ++i)
    y.data<double>()[i] = kept(i / size, p) ? y.data<double>()[i] / (1 - p) : 0;
  return y;
}

using Drop = Tensor (*)(const Tensor&, double, Generator&, bool);

bool drop_case(const char* name, Drop drop, double p, bool samples) {
  return add_case({.name = name,
                   .kernels = {"dropout_fwd"},
                   .call =
                       [=](const Tensors& x) {
                         Generator generator(kSeed, kDraw);
                         return drop(x[0], p, generator, true);
                       },
                   .reference =
                       [=](const Tensors& x) {
                         const std::int64_t rows = x[0].shape()[0];
                         return reference(x[0], p, samples && rows > 0 ? x[0].numel() / rows : 1);
                       },
                   .variants = {{{{{0, 3}}}},
                                {{{{1}}}},
                                {{{{3, 5}}}},
                                {{{{7, 3, 4}, Values::normal, 0, true}}},
                                {{{{33, 257}}}, false}},
                   .benchmark = {{{8192, 384}}}});
}

const bool dropout_cases[] = {drop_case("dropout", dropout, 0.3, false),
                              drop_case("dropout", dropout, 1, false),
                              drop_case("drop_path", drop_path, 0.4, true)};

TEST_CASE("dropout keeps the expected share and the mean, and draws anew each time") {
  Generator generator(3);
  const Tensor x = ones({200, 300}), first = dropout(x, 0.2, generator), second = dropout(x, 0.2, generator);
  CHECK(mean(first).item() == doctest::Approx(1).epsilon(0.01));
  CHECK(max(first).item() == doctest::Approx(1.25));
  CHECK(mean(cast(eq(first, second), float32)).item() ==
        doctest::Approx(0.8 * 0.8 + 0.2 * 0.2).epsilon(0.01));
  CHECK(generator.draw() == 2);
}

TEST_CASE("dropout passes x through where there is nothing to drop, and draws nothing") {
  Generator generator(3);
  const Tensor x = ones({2, 3});
  CHECK(dropout(x, 0.5, generator, false).is_same(x));
  CHECK(dropout(x, 0, generator).is_same(x));
  CHECK(drop_path(x, 0.5, generator, false).is_same(x));
  CHECK(drop_path(x, 0, generator).is_same(x));
  CHECK(generator.draw() == 0);
}

TEST_CASE("dropout gives the same bits at any thread count") {
  const Tensor x = ones({100003});
  const int before = thread_count();
  Tensors found;
  for (int threads : {1, 3}) {
    set_thread_count(threads);
    Generator generator(9);
    found.push_back(dropout(x, 0.5, generator));
  }
  set_thread_count(before);
  CHECK(max(abs(found[0] - found[1])).item() == 0);
}

TEST_CASE("dropout says what a probability is") {
  Generator generator(1);
  CHECK_THROWS_WITH_AS(dropout(ones({2}), 1.5, generator),
                       "dropout: p = 1.5 is not a probability; choose 0 to 1", Error);
  CHECK_THROWS_WITH_AS(drop_path(ones({}), 0.5, generator), "drop_path: float32[] has no axis of samples",
                       Error);
}

}  // namespace
}  // namespace tsr::test
