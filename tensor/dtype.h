#pragma once
// Element types, their names and sizes, and the one place where a dtype becomes a C++ type.

#include <bit>
#include <cstdint>
#include <iosfwd>
#include <string_view>
#include <type_traits>

#include "tensor/error.h"

namespace tsr {

enum class DType : std::uint8_t { float32, float64, bfloat16, float16, int64, int32, uint8, boolean };
inline constexpr int kDTypeCount = 8;

inline constexpr DType float32 = DType::float32;
inline constexpr DType float64 = DType::float64;
inline constexpr DType bfloat16 = DType::bfloat16;
inline constexpr DType float16 = DType::float16;
inline constexpr DType int64 = DType::int64;
inline constexpr DType int32 = DType::int32;
inline constexpr DType uint8 = DType::uint8;
inline constexpr DType boolean = DType::boolean;

/// Bytes per element.
std::int64_t size_of(DType dtype);
/// "float32", …, "bool".
std::string_view name_of(DType dtype);
/// The inverse of name_of; throws Error for an unknown name.
DType dtype_from_name(std::string_view name);
bool is_floating(DType dtype);
/// bfloat16 and float16: dtypes to store values in, which are computed with in float32.
constexpr bool is_low_precision(DType dtype) { return dtype == bfloat16 || dtype == float16; }
/// The dtype that values of this one are computed in: float32 for low precision, else itself.
constexpr DType compute_dtype(DType dtype) { return is_low_precision(dtype) ? float32 : dtype; }
std::ostream& operator<<(std::ostream& out, DType dtype);

/// bfloat16: the upper half of a float32, rounded to nearest even.
struct BFloat16 {
  std::uint16_t bits = 0;
  BFloat16() = default;
  BFloat16(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const bool nan = (word & 0x7fffffffu) > 0x7f800000u;  // stays a (quiet) NaN
    bits =
        static_cast<std::uint16_t>(nan ? (word >> 16) | 0x40u : (word + 0x7fffu + ((word >> 16) & 1u)) >> 16);
  }
  operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
};

/// IEEE 754 binary16, rounded to nearest even, with subnormals.
struct Float16 {
  std::uint16_t bits = 0;
  Float16() = default;
  Float16(float value);
  operator float() const {
    const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16;
    const std::uint32_t magnitude = std::uint32_t{bits & 0x7fffu} << 13;
    // a power of two moves the exponent to float32's bias and makes subnormals normal
    const auto finite = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
    const std::uint32_t special = magnitude >= 0x0f800000u ? 0x7f800000u : 0;  // infinity and NaN
    return std::bit_cast<float>(sign | finite | special);
  }
};

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::float32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::float64;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::bfloat16;
};
template <>
struct DTypeOf<Float16> {
  static constexpr DType value = DType::float16;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::int64;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::int32;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::uint8;
};
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::boolean;
};
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

/// The C++ type of compute_dtype.
template <class T>
using Compute = std::conditional_t<is_low_precision(dtype_of<T>), float, T>;

/// Calls body(T{}) with T the C++ type of dtype.
template <class Body>
decltype(auto) with_dtype(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::float32:
      return body(float{});
    case DType::float64:
      return body(double{});
    case DType::bfloat16:
      return body(BFloat16{});
    case DType::float16:
      return body(Float16{});
    case DType::int64:
      return body(std::int64_t{});
    case DType::int32:
      return body(std::int32_t{});
    case DType::uint8:
      return body(std::uint8_t{});
    case DType::boolean:
      return body(bool{});
  }
  TSR_ASSERT(!"unknown dtype");
  return body(float{});
}

}  // namespace tsr
