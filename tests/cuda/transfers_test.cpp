// Copies between the host and the emulated device.
#include <algorithm>
#include <doctest/doctest.h>
#include <memory>
#include <vector>

#include "autograd/ops.h"
#include "cuda/emulator/stream.h"
#include "cuda/staging.h"

namespace tsr::test {
namespace {

class Delayed {
 public:
  Delayed() { emu::set_delayed_streams(true); }
  ~Delayed() { emu::set_delayed_streams(false); }
  Delayed(const Delayed&) = delete;
  Delayed& operator=(const Delayed&) = delete;
};

struct Counted {
  using Stream = emu::Stream;
  using Event = emu::Event;
  static inline int allocations = 0;
  static void* pinned_memory(std::size_t bytes) {
    ++allocations;
    static std::vector<std::unique_ptr<std::byte[]>> memory;
    return memory.emplace_back(new std::byte[bytes]).get();
  }
  static void copy_async(void* to, const void* from, std::size_t bytes, Stream& stream) {
    emu::copy_async(to, from, bytes, stream);
  }
};

TEST_CASE("an upload runs later than it is asked for, with the bytes of then") {
  const Delayed delayed;
  const Tensor x = from_values({1, 2, 3}, {3});
  const Tensor there = x.to(Device::emu), doubled = there + there;
  x.data<float>()[0] = 100;
  CHECK(text(doubled.to(Device::cpu)) == text(from_values({2, 4, 6}, {3})));
}

TEST_CASE("an upload of more than all staging memory holds") {
  const Delayed delayed;
  constexpr std::size_t kPieces = 20;
  std::vector<std::byte> from(kPieces * Staging<Counted>::kPiece + 7), to(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(i * 2654435761U >> 24);
  const std::vector<std::byte> expected = from;
  Staging<Counted> staging;
  emu::Stream stream;
  staging.upload(to.data(), from.data(), from.size(), stream);
  std::ranges::fill(from, std::byte{0});
  CHECK(to != expected);
  stream.synchronize();
  CHECK(to == expected);
  CHECK(Counted::allocations == 8);
}

}  // namespace
}  // namespace tsr::test
