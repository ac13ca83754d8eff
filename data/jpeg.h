#pragma once
// JPEG decoding by libjpeg(-turbo).

#include <cstdint>
#include <span>
#include <string>

#include "data/image.h"

namespace tsr {

/// Decodes a JPEG in memory to red, green, blue. Throws InputError, beginning with `name`, for a damaged or
/// truncated one: what libjpeg would fill with grey is an error here.
Image decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& name);

}  // namespace tsr
