#include "tensor/random.h"

#include <numeric>

#include "tensor/kernels.h"

namespace tsr {

Generator Generator::fork(std::uint64_t stream) const {
  const auto words = philox({static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32),
                             static_cast<std::uint32_t>(draw_), 0xF0F0F0F0u},
                            {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
  return Generator(words[0] | std::uint64_t{words[1]} << 32);
}

std::uint32_t RandomWords::next() {
  if (position_ % 4 == 0) {
    const std::uint64_t block = position_ / 4;
    words_ = philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                     static_cast<std::uint32_t>(draw_), static_cast<std::uint32_t>(draw_ >> 32)},
                    {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
  }
  return words_[position_++ % 4];
}

Tensor uniform(const Shape& shape, Generator& generator, double low, double high, DType dtype,
               Device device) {
  Tensor y(shape, dtype, device);
  Context context(device);
  uniform_fwd(context, y.view(), generator.seed(), generator.next_draw(), low, high);
  return y;
}

Tensor normal(const Shape& shape, Generator& generator, double mean, double std, DType dtype, Device device) {
  Tensor y(shape, dtype, device);
  Context context(device);
  normal_fwd(context, y.view(), generator.seed(), generator.next_draw(), mean, std);
  return y;
}

Tensor permutation(std::int64_t count, Generator& generator) {
  Tensor order = arange(count);
  auto* values = order.data<std::int64_t>();
  RandomWords words(generator);
  for (std::int64_t i = count - 1; i > 0; --i)
    std::swap(values[i], values[words.below(static_cast<std::uint32_t>(i + 1))]);
  return order;
}

}  // namespace tsr
