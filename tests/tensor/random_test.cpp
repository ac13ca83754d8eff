// Philox against its authors' vectors, and the statistics and streams built on it.
#include "tensor/random.h"

#include <cmath>
#include <doctest/doctest.h>
#include <set>

#include "tensor/parallel.h"

namespace tsr {
namespace {

using Words = std::array<std::uint32_t, 4>;

// philox4x32-10 of kat_vectors in Random123 (Salmon et al. 2011).
TEST_CASE("Philox gives the known answers") {
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};

Moments moments_of(const Tensor& x) {
  const auto n = static_cast<double>(x.numel());
  Moments m;
  for (std::int64_t i = 0; i < x.numel(); ++i) m.mean += static_cast<double>(x.data<float>()[i]) / n;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const double d = static_cast<double>(x.data<float>()[i]) - m.mean;
    m.variance += d * d / n;
    m.skew += d * d * d / n;
    m.kurtosis += d * d * d * d / n;
  }
  return m;
}

TEST_CASE("draws have the moments of their distribution") {
  Generator generator(11);
  const Moments u = moments_of(uniform({400000}, generator));
  CHECK(u.mean == doctest::Approx(0.5).epsilon(0.002));
  CHECK(u.variance == doctest::Approx(1.0 / 12).epsilon(0.005));
  const Moments z = moments_of(normal({400000}, generator));
  CHECK(std::abs(z.mean) < 0.008);
  CHECK(z.variance == doctest::Approx(1).epsilon(0.01));
  CHECK(std::abs(z.skew) < 0.02);
  CHECK(z.kurtosis == doctest::Approx(3).epsilon(0.02));
}

TEST_CASE("a generator is two numbers, and each draw is another") {
  Generator first(5), again(5);
  const Tensor a = uniform({64}, first), b = uniform({64}, first);
  const Tensor c = uniform({64}, again);
  CHECK(first.draw() == 2);
  int equal = 0;
  for (int i = 0; i < 64; ++i) {
    CHECK(a.data<float>()[i] == c.data<float>()[i]);
    equal += a.data<float>()[i] == b.data<float>()[i];
  }
  CHECK(equal <= 1);
  Generator resumed(first.seed(), 1);
  const Tensor d = uniform({64}, resumed);
  for (int i = 0; i < 64; ++i) CHECK(d.data<float>()[i] == b.data<float>()[i]);
}

TEST_CASE("forks don't repeat each other or their parent") {
  const Generator parent(5);
  std::set<std::uint64_t> seeds{parent.seed()};
  for (std::uint64_t stream = 0; stream < 10000; ++stream) seeds.insert(parent.fork(stream).seed());
  CHECK(seeds.size() == 10001);
  CHECK(parent.fork(3).seed() == Generator(5).fork(3).seed());
}

TEST_CASE("words read one by one are the tensor's words") {
  Generator words_from(9, 4), tensor_from(9, 4);
  RandomWords words(words_from);
  const Tensor x = uniform({11}, tensor_from);
  for (int i = 0; i < 11; ++i) CHECK(words.uniform() == x.data<float>()[i]);
  for (int i = 0; i < 1000; ++i) REQUIRE(words.below(7) < 7);
}

TEST_CASE("a permutation holds each number once and moves them") {
  Generator generator(2);
  const Tensor order = permutation(1000, generator);
  std::set<std::int64_t> seen;
  int fixed = 0;
  for (std::int64_t i = 0; i < 1000; ++i) {
    seen.insert(order.data<std::int64_t>()[i]);
    fixed += order.data<std::int64_t>()[i] == i;
  }
  CHECK(seen.size() == 1000);
  CHECK(*seen.begin() == 0);
  CHECK(*seen.rbegin() == 999);
  CHECK(fixed < 10);
  CHECK(permutation(0, generator).numel() == 0);
}

TEST_CASE("what was recorded is drawn again, whatever the generators say") {
  const auto compute = [](Generator& random) {
    Generator child = random.fork(2);
    const Tensor a = normal({5}, random), b = uniform({5}, child);
    RandomWords words(random);
    std::vector<double> all{static_cast<double>(words.next()),
                            static_cast<double>(permutation(9, child).data<std::int64_t>()[0])};
    for (int i = 0; i < 5; ++i) all.insert(all.end(), {a.data<float>()[i], b.data<float>()[i]});
    return all;
  };
  DrawLog log, copy;
  Generator first(1), other(99, 7);
  std::vector<double> recorded, nested;
  {
    const RecordDraws record(log);
    recorded = compute(first);
  }
  CHECK(first.draw() == 2);
  {
    const ReplayDraws replay(log);
    const RecordDraws record(copy);  // a record of a replay is the same record
    nested = compute(other);
    CHECK(replay.at_end());
    CHECK_THROWS_WITH_AS(other.next_draw(), doctest::Contains("draws more than the first time"), Error);
  }
  CHECK(nested == recorded);
  CHECK(copy == log);
  CHECK(other.draw() == 7);  // nothing was taken from it
  CHECK(other.seed() == 99);
  Generator again(1);
  CHECK(compute(again) == recorded);
}

TEST_CASE("draws don't depend on the number of threads") {
  const int before = thread_count();
  Tensor draws[2];
  for (int i = 0; i < 2; ++i) {
    set_thread_count(i == 0 ? 1 : 3);
    Generator generator(1);
    draws[i] = normal({100003}, generator);
  }
  set_thread_count(before);
  for (int i = 0; i < 100003; ++i) REQUIRE(draws[0].data<float>()[i] == draws[1].data<float>()[i]);
}

}  // namespace
}  // namespace tsr
