#pragma once
// Image files in and out.

#include <cstdint>
#include <filesystem>
#include <span>

#include "data/image.h"

namespace tsr {

/// Whether the name ends in one of the formats that read_image knows: .jpg .jpeg .png .bmp .ppm .pgm, in
/// upper or lower case.
bool is_image_name(const std::filesystem::path& path);
inline constexpr const char* kImageNames = ".jpg .jpeg .png .bmp .ppm .pgm";

/// Decodes a file to red, green, blue. Grey is spread over three channels, alpha is dropped, 16 bits become
/// 8, CMYK JPEGs are converted, EXIF's orientation is ignored (all as PIL's convert("RGB") has it). The
/// format is told by content. Throws InputError, naming the file, when it is empty, truncated, damaged or of
/// another format.
Image read_image(const std::filesystem::path& path);

/// The same from memory; `name` is for messages.
Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name);

/// Writes 1 or 3 channels as PNG, aside and then renamed. Throws InputError when it can't be written.
void write_png(const std::filesystem::path& path, const Image& image);

}  // namespace tsr
