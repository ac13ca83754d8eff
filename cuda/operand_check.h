#pragma once
// What the doors check alike.

#include <cstdint>
#include <functional>

#include "tensor/dtype.h"
#include "tensor/error.h"

namespace tsr {

/// Memory that a library reads or writes, by the argument's name.
struct Extent {
  const char* name;
  const void* data;
  std::int64_t elements;

  const std::byte* begin() const { return static_cast<const std::byte*>(data); }
  const std::byte* end(DType dtype) const { return begin() + elements * size_of(dtype); }
};

/// Throws Error, after `where`, for a dtype that the libraries don't multiply in float32.
inline void check_door_dtype(const char* where, DType dtype) {
  TSR_CHECK(dtype == DType::float32 || is_low_precision(dtype), where, ": dtype ", dtype,
            "; need float32, bfloat16 or float16");
}

/// Throws Error for a null pointer or one between two elements.
inline void check_extent(const char* where, const Extent& extent, DType dtype) {
  const auto address = reinterpret_cast<std::uintptr_t>(extent.data);
  TSR_CHECK(extent.data != nullptr, where, ": ", extent.name, " is null");
  TSR_CHECK(address % static_cast<std::uintptr_t>(size_of(dtype)) == 0, where, ": ", extent.name,
            " lies between two elements of ", dtype);
}

/// Throws Error when the result shares memory with an operand.
inline void check_apart(const char* where, const Extent& result, const Extent& operand, DType dtype) {
  const std::less<> before;
  TSR_CHECK(!before(result.begin(), operand.end(dtype)) || !before(operand.begin(), result.end(dtype)), where,
            ": ", result.name, " overlaps ", operand.name);
}

}  // namespace tsr
