// Half precision: every value and every rounding boundary against plain arithmetic.
#include <bit>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>

#include "tensor/tensor.h"

namespace tsr {
namespace {

/// The value of a 16-bit float with the given number of exponent bits, from the definition.
double value_of(std::uint16_t bits, int exponent_bits) {
  const int mantissa_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) return mantissa ? NAN : sign * INFINITY;
  const double fraction = std::ldexp(mantissa, -mantissa_bits) + (exponent > 0 ? 1 : 0);
  return sign * std::ldexp(fraction, std::max(exponent, 1) - bias);
}

template <class Half>
Half from_bits(std::uint32_t bits) {
  Half half;
  half.bits = static_cast<std::uint16_t>(bits);
  return half;
}

/// Between each pair of neighbours: below the middle, at it (to even) and above it.
template <class Half>
void check_rounding(int exponent_bits) {
  const std::uint32_t infinity = ((1u << exponent_bits) - 1) << (15 - exponent_bits);
  for (std::uint32_t low = 0; low < infinity; ++low) {
    const double below = value_of(static_cast<std::uint16_t>(low), exponent_bits);
    const double above = low + 1 == infinity
                             ? 2 * below - value_of(static_cast<std::uint16_t>(low - 1), exponent_bits)
                             : value_of(static_cast<std::uint16_t>(low + 1), exponent_bits);
    const auto middle = static_cast<float>((below + above) / 2);
    const std::uint32_t even = low % 2 == 0 ? low : low + 1;
    for (float sign : {1.0f, -1.0f}) {
      const std::uint32_t bit = sign < 0 ? 0x8000u : 0;
      REQUIRE(Half(sign * middle).bits == (even | bit));
      REQUIRE(Half(sign * std::nextafter(middle, 0.0f)).bits == (low | bit));
      REQUIRE(Half(sign * std::nextafter(middle, INFINITY)).bits == ((low + 1) | bit));
    }
  }
}

template <class Half>
void check_values(int exponent_bits) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = from_bits<Half>(bits);
    const double expected = value_of(half.bits, exponent_bits);
    const float value = half;
    if (std::isnan(expected)) {
      REQUIRE(std::isnan(value));
      REQUIRE(std::isnan(static_cast<float>(Half(value))));
    } else {
      REQUIRE(static_cast<double>(value) == expected);
      REQUIRE(Half(value).bits == bits);
    }
  }
}

TEST_CASE("every float16 has its value and comes back") { check_values<Float16>(5); }
TEST_CASE("every bfloat16 has its value and comes back") { check_values<BFloat16>(8); }
TEST_CASE("float16 rounds to nearest even at every boundary") { check_rounding<Float16>(5); }
TEST_CASE("bfloat16 rounds to nearest even at every boundary") { check_rounding<BFloat16>(8); }

TEST_CASE("half precision overflows to infinity and underflows to zero") {
  CHECK(Float16(65519.996f).bits == 0x7bff);
  CHECK(Float16(65520.0f).bits == 0x7c00);
  CHECK(Float16(-1e30f).bits == 0xfc00);
  CHECK(Float16(std::numeric_limits<float>::denorm_min()).bits == 0);
  CHECK(Float16(-0.0f).bits == 0x8000);
  CHECK(BFloat16(std::numeric_limits<float>::max()).bits == 0x7f80);
}

/// Dense conversions of tensors, whole vectors and what is left of them, give the bits of single ones.
template <class Half>
void check_runs() {
  constexpr std::int64_t kAll = 0x10000;
  Tensor halves({kAll}, dtype_of<Half>, Device::cpu);
  for (std::int64_t i = 0; i < kAll; ++i)
    halves.data<Half>()[i] = from_bits<Half>(static_cast<std::uint32_t>(i));
  const Tensor wide = halves.to(float32);
  for (std::int64_t i = 0; i < kAll; ++i) {
    const float value = halves.data<Half>()[i];
    REQUIRE(std::bit_cast<std::uint32_t>(wide.data<float>()[i]) == std::bit_cast<std::uint32_t>(value));
  }
  // all upper halves of a float32 beside the lower ones at which rounding changes, NaNs and infinities
  // included
  Tensor floats({kAll}, float32, Device::cpu);
  for (const std::uint32_t low :
       {0u, 1u, 0xfffu, 0x1000u, 0x1001u, 0x3000u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
    for (std::int64_t i = 0; i < kAll; ++i)
      floats.data<float>()[i] = std::bit_cast<float>(static_cast<std::uint32_t>(i) << 16 | low);
    for (const std::int64_t first : {0, 1, 5, 30}) {
      const Tensor part = floats.as_strided({kAll - first}, {1}, first), rounded = part.to(dtype_of<Half>);
      for (std::int64_t i = 0; i < kAll - first; ++i)
        REQUIRE(rounded.data<Half>()[i].bits == Half(part.data<float>()[i]).bits);
    }
  }
}

TEST_CASE("runs of float16 are converted as single values are") { check_runs<Float16>(); }
TEST_CASE("runs of bfloat16 are converted as single values are") { check_runs<BFloat16>(); }

TEST_CASE("names and sizes") {
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    CHECK(dtype_from_name(name_of(dtype)) == dtype);
    with_dtype(dtype, [&](auto type) {
      CHECK(dtype_of<decltype(type)> == dtype);
      CHECK(size_of(dtype) == static_cast<std::int64_t>(sizeof type));
    });
  }
  CHECK_THROWS_WITH_AS(
      dtype_from_name("float8"),
      "dtype: unknown name 'float8'; known: float32 float64 bfloat16 float16 int64 int32 uint8 bool", Error);
}

TEST_CASE("conversion between all dtypes keeps small integers") {
  const Tensor x = from_values({0, 1, 2, 100}, {4});
  for (int from = 0; from < kDTypeCount; ++from) {
    for (int to = 0; to < kDTypeCount; ++to) {
      const auto source = static_cast<DType>(from), target = static_cast<DType>(to);
      const Tensor y = x.to(source).to(target).to(float64);
      const bool truth = source == boolean || target == boolean;
      for (int i = 0; i < 4; ++i) {
        const double value = static_cast<double>(x.data<float>()[i]);
        CHECK(y.data<double>()[i] == (truth ? static_cast<double>(value != 0) : value));
      }
    }
  }
}

}  // namespace
}  // namespace tsr
