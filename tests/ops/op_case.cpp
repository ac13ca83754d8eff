#include "tests/ops/op_case.h"

#include "tensor/random.h"

namespace tsr::test {
namespace {

std::vector<OpCase>& cases() {
  static std::vector<OpCase> list;
  return list;
}

double value_of(Values values, std::int64_t i, std::int64_t count, double drawn) {
  switch (values) {
    case Values::distinct:
      return (static_cast<double>(2 * i + 1 - count) + 0.5) / static_cast<double>(count) * 3;
    case Values::huge:
      return (i % 2 ? -1e4 : 1e4) + drawn;
    case Values::rising:
      return static_cast<double>(i) / 8;
    case Values::equal:
      return 0.5;
    default:
      return drawn;
  }
}

Tensor draw_dense(const Input& input, DType dtype, Generator& generator) {
  const std::int64_t count = input.shape.numel();
  if (input.values == Values::indices || input.values == Values::mask) {
    RandomWords words(generator);
    const bool mask = input.values == Values::mask;
    Tensor result(input.shape, mask ? boolean : int64, Device::cpu);
    for (std::int64_t i = 0; i < count; ++i) {
      if (mask) {
        result.data<bool>()[i] = words.below(2) == 1;
      } else {
        result.data<std::int64_t>()[i] = words.below(static_cast<std::uint32_t>(input.limit));
      }
    }
    return result;
  }
  Tensor drawn = input.values == Values::positive ? uniform(input.shape, generator, 0.5, 2, float64)
                 : input.values == Values::unit   ? uniform(input.shape, generator, -0.9, 0.9, float64)
                                                  : normal(input.shape, generator, 0, 1, float64);
  const Tensor order = permutation(count, generator);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t rank = input.values == Values::distinct ? order.data<std::int64_t>()[i] : i;
    drawn.data<double>()[i] = value_of(input.values, rank, count, drawn.data<double>()[i]);
  }
  return drawn.to(float32).to(dtype);  // the same values in every dtype
}

/// The same values, laid out with the axes reversed and a gap after every element.
Tensor strided_copy(const Tensor& x) {
  Shape shape, strides;
  std::int64_t step = 2;
  for (int axis = 0; axis < x.rank(); ++axis) {
    shape.push_back(x.shape()[axis]);
    strides.push_back(step);
    step *= x.shape()[axis];
  }
  Tensor result = zeros({std::max<std::int64_t>(step, 1)}, x.dtype()).as_strided(shape, strides, 0);
  copy_into(result, x);
  return result;
}

}  // namespace

bool add_case(OpCase op_case) {
  cases().push_back(std::move(op_case));
  return true;
}

const std::vector<OpCase>& all_cases() { return cases(); }

Tensors draw_inputs(const std::vector<Input>& inputs, DType dtype, std::uint64_t seed) {
  Generator generator(seed);
  Tensors result;
  for (const Input& input : inputs) {
    const Tensor drawn = draw_dense(input, dtype, generator);
    result.push_back(input.strided ? strided_copy(drawn) : drawn);
  }
  return result;
}

Tensor map(const Tensor& x, const std::function<double(double)>& f) {
  Tensor y(x.shape(), float64, Device::cpu);
  for (std::int64_t i = 0; i < x.numel(); ++i) y.data<double>()[i] = f(x.data<double>()[i]);
  return y;
}

Tensor zip(const Tensor& a, const Tensor& b, const std::function<double(double, double)>& f) {
  Tensor y(broadcast_shapes("zip", a.shape(), b.shape()), float64, Device::cpu);
  const auto at = [&](const Tensor& x, std::int64_t flat) {
    std::int64_t offset = 0, step = 1;
    for (int axis = y.rank() - 1; axis >= 0; --axis) {
      const std::int64_t position = flat % y.shape()[axis];
      flat /= y.shape()[axis];
      const int own = axis - (y.rank() - x.rank());
      if (own < 0) continue;
      if (x.shape()[own] != 1) offset += position * step;
      step *= x.shape()[own];
    }
    return x.data<double>()[offset];
  };
  for (std::int64_t i = 0; i < y.numel(); ++i) y.data<double>()[i] = f(at(a, i), at(b, i));
  return y;
}

std::vector<Variant> unary_variants(Values values) {
  return {{{{{0, 3}, values}}},
          {{{{}, values}}},
          {{{{1}, values}}},
          {{{{3, 5}, values}}},
          {{{{4, 3, 7}, values, 0, true}}},
          {{{{101, 700}, values}}, false}};
}

std::vector<Variant> binary_variants(Values values) {
  return {{{{{0, 3}, values}, {{1, 3}, values}}},
          {{{{}, values}, {{}, values}}},
          {{{{3, 5}, values}, {{3, 5}, values}}},
          {{{{3, 5}, values}, {{}, values}}},
          {{{{4, 1, 3}, values}, {{2, 1}, values}}},
          {{{{2, 3, 4}, values, 0, true}, {{4}, values}}},
          {{{{2, 3, 4}, values, 0, true}, {{2, 3, 4}, values}}},
          {{{{33, 1000}, values}, {{33, 1}, values}}, false},
          {{{{50, 900}, values}, {{50, 900}, values}}, false}};
}

}  // namespace tsr::test
