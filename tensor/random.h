#pragma once
// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3",
// SC 2011). Element i of a draw uses lane i mod 4 of counter i / 4, on every device.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace tsr {

/// Four random words from a 128-bit counter and a 64-bit key.
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                              std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// The words of one counter of a draw: the draw's number is the counter's upper half, the seed the key.
constexpr std::array<std::uint32_t, 4> philox_words(std::uint64_t counter, std::uint64_t seed,
                                                    std::uint64_t draw) {
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  return philox({low(counter), high(counter), low(draw), high(draw)}, {low(seed), high(seed)});
}

/// A stream of draws: `seed` is the key, `draw` the upper half of the counter and advances with each tensor
/// drawn. Two numbers are its whole state. Not thread-safe.
class Generator {
 public:
  explicit Generator(std::uint64_t seed = 0, std::uint64_t draw = 0) : seed_(seed), draw_(draw) {}

  std::uint64_t seed() const;
  std::uint64_t draw() const;
  /// The number of the next draw; advances.
  std::uint64_t next_draw();
  /// A generator whose draws are unrelated to this one's and to other streams': for a sample, a worker, a
  /// layer.
  Generator fork(std::uint64_t stream) const;

 private:
  std::uint64_t seed_, draw_;
};

/// All that generators handed out (seeds, numbers of draws) while it was recorded, in order. Run again under
/// the same log, a piece of a computation draws the same, whatever has become of its generators.
using DrawLog = std::vector<std::uint64_t>;

class DrawScope;

/// Appends to a log what generators hand out on this thread until the end of the scope.
class RecordDraws {
 public:
  explicit RecordDraws(DrawLog& log);
  ~RecordDraws();
  RecordDraws(const RecordDraws&) = delete;
  RecordDraws& operator=(const RecordDraws&) = delete;

 private:
  std::unique_ptr<DrawScope> scope_;
};

/// Makes generators on this thread hand out what the log holds, without advancing. Beyond its end they throw
/// Error.
class ReplayDraws {
 public:
  explicit ReplayDraws(const DrawLog& log);
  ~ReplayDraws();
  ReplayDraws(const ReplayDraws&) = delete;
  ReplayDraws& operator=(const ReplayDraws&) = delete;
  /// Whether all of the log has been handed out.
  bool at_end() const;

 private:
  std::unique_ptr<DrawScope> scope_;
};

/// One draw's words read one by one on the host: for augmentation parameters.
class RandomWords {
 public:
  explicit RandomWords(Generator& generator) : seed_(generator.seed()), draw_(generator.next_draw()) {}
  std::uint32_t next();
  /// Uniform in [0, 1): 24 bits.
  float uniform() { return static_cast<float>(next() >> 8) * 0x1p-24f; }
  float uniform(float low, float high) { return low + (high - low) * uniform(); }
  /// Uniform in 0 … count-1 (multiply-shift; its bias is below count / 2^32).
  std::uint32_t below(std::uint32_t count) {
    return static_cast<std::uint32_t>((std::uint64_t{next()} * count) >> 32);
  }

 private:
  std::uint64_t seed_, draw_, position_ = 0;
  std::array<std::uint32_t, 4> words_{};
};

/// Uniform in [low, high).
Tensor uniform(const Shape& shape, Generator& generator, double low = 0, double high = 1,
               DType dtype = float32, Device device = Device::cpu);
/// Normal with the given mean and standard deviation (Box–Muller on pairs of lanes).
Tensor normal(const Shape& shape, Generator& generator, double mean = 0, double std = 1,
              DType dtype = float32, Device device = Device::cpu);
/// A random permutation of 0 … count-1, int64.
Tensor permutation(std::int64_t count, Generator& generator);

}  // namespace tsr
