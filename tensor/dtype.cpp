#include "tensor/dtype.h"

#include <array>
#include <ostream>

namespace tsr {
namespace {

struct Description {
  std::string_view name;
  std::int64_t size;
  bool floating;
};
constexpr std::array<Description, kDTypeCount> kDescriptions{{{"float32", 4, true},
                                                              {"float64", 8, true},
                                                              {"bfloat16", 2, true},
                                                              {"float16", 2, true},
                                                              {"int64", 8, false},
                                                              {"int32", 4, false},
                                                              {"uint8", 1, false},
                                                              {"bool", 1, false}}};

}  // namespace

std::int64_t size_of(DType dtype) { return kDescriptions[static_cast<int>(dtype)].size; }
std::string_view name_of(DType dtype) { return kDescriptions[static_cast<int>(dtype)].name; }
bool is_floating(DType dtype) { return kDescriptions[static_cast<int>(dtype)].floating; }

DType dtype_from_name(std::string_view name) {
  for (int i = 0; i < kDTypeCount; ++i)
    if (kDescriptions[i].name == name) return static_cast<DType>(i);
  throw Error(text("dtype: unknown name '", name,
                   "'; known: float32 float64 bfloat16 float16 int64 int32 uint8 bool"));
}

std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name_of(dtype); }

Float16::Float16(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((word >> 16) & 0x8000u);
  const std::uint32_t magnitude = word & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    bits = sign | 0x7e00u;
  } else if (magnitude >= 0x477ff000u) {  // rounds to 65520 or more: infinity
    bits = sign | 0x7c00u;
  } else if (magnitude >= 0x38800000u) {  // normal
    const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
    bits = static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
  } else {  // subnormal or zero: adding 0.5 lets the hardware round at the right bit
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    bits = static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
  }
}

}  // namespace tsr
