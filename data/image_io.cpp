#include "data/image_io.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <stb_image.h>
#include <stb_image_write.h>
#include <string>
#include <string_view>
#include <vector>

#include "data/jpeg.h"
#include "tensor/error.h"

namespace tsr {
namespace {

using Bytes = std::span<const std::uint8_t>;

std::vector<std::uint8_t> read_bytes(const std::filesystem::path& path) {
  std::error_code ignored;
  TSR_CHECK_INPUT(!std::filesystem::is_directory(path, ignored), path.string(),
                  ": is a folder, not an image");
  std::ifstream file(path, std::ios::binary);
  TSR_CHECK_INPUT(file, path.string(), ": cannot open: ", std::strerror(errno));
  std::vector<std::uint8_t> bytes;
  file.seekg(0, std::ios::end);
  const std::streamoff size = file.tellg();
  TSR_CHECK_INPUT(size >= 0, path.string(), ": cannot read: not a regular file");
  bytes.resize(static_cast<std::size_t>(size));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), size);
  TSR_CHECK_INPUT(file, path.string(), ": cannot read: ", std::strerror(errno));
  return bytes;
}

bool begins_with(Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

std::uint32_t little_endian(Bytes bytes, std::size_t offset) {
  return std::uint32_t{bytes[offset]} | std::uint32_t{bytes[offset + 1]} << 8 |
         std::uint32_t{bytes[offset + 2]} << 16 | std::uint32_t{bytes[offset + 3]} << 24;
}

/// Bytes that an uncompressed BMP needs, by its header.
std::uint64_t bmp_length(Bytes bytes, int width, int height) {
  constexpr std::size_t kPixelOffset = 10, kBitsPerPixel = 28;
  if (bytes.size() < kBitsPerPixel + 2) return kBitsPerPixel + 2;
  const std::uint64_t bits = bytes[kBitsPerPixel] | std::uint64_t{bytes[kBitsPerPixel + 1]} << 8;
  const std::uint64_t row = (static_cast<std::uint64_t>(width) * bits + 31) / 32 * 4;
  return little_endian(bytes, kPixelOffset) + row * static_cast<std::uint64_t>(height);
}

/// Bytes that a binary PGM or PPM needs: the header's words, with its comments, then the pixels.
std::uint64_t pnm_length(Bytes bytes, int width, int height) {
  std::size_t at = 2;
  std::uint64_t largest = 0;
  for (int word = 0; word < 3; ++word) {
    while (at < bytes.size() && (std::isspace(bytes[at]) || bytes[at] == '#')) {
      if (bytes[at] == '#')
        while (at < bytes.size() && bytes[at] != '\n') ++at;
      else
        ++at;
    }
    largest = 0;
    for (; at < bytes.size() && std::isdigit(bytes[at]); ++at) largest = largest * 10 + (bytes[at] - '0');
  }
  const std::uint64_t samples = bytes[1] == '6' ? 3 : 1, width_of_sample = largest > 255 ? 2 : 1;
  return at + 1 +
         samples * width_of_sample * static_cast<std::uint64_t>(width) * static_cast<std::uint64_t>(height);
}

/// stb fills what is missing at the end of a BMP, PGM or PPM with anything; we don't.
void check_complete(Bytes bytes, int width, int height, const std::string& name) {
  const std::uint64_t needed = begins_with(bytes, "BM") ? bmp_length(bytes, width, height)
                               : begins_with(bytes, "P5") || begins_with(bytes, "P6")
                                   ? pnm_length(bytes, width, height)
                                   : 0;
  TSR_CHECK_INPUT(bytes.size() >= needed, name, ": truncated image: ", bytes.size(), " bytes of ", needed);
}

Image decode_by_stb(Bytes bytes, const std::string& name) {
  const int length = static_cast<int>(bytes.size());
  int width = 0, height = 0, channels = 0;
  TSR_CHECK_INPUT(stbi_info_from_memory(bytes.data(), length, &width, &height, &channels), name,
                  ": damaged image, or not one of ", kImageNames, ": ", stbi_failure_reason());
  check_complete(bytes, width, height, name);
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes.data(), length, &width, &height, &channels, 3), stbi_image_free);
  TSR_CHECK_INPUT(pixels, name, ": damaged image: ", stbi_failure_reason());
  Image image(height, width, 3);
  std::copy_n(pixels.get(), image.pixels.size(), image.pixels.data());
  return image;
}

void append_bytes(void* context, void* data, int size) {
  auto& out = *static_cast<std::vector<char>*>(context);
  out.insert(out.end(), static_cast<char*>(data), static_cast<char*>(data) + size);
}

}  // namespace

bool is_image_name(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::string_view kNames[] = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm"};
  return std::find(std::begin(kNames), std::end(kNames), ending) != std::end(kNames);
}

Image decode_image(Bytes bytes, const std::string& name) {
  TSR_CHECK_INPUT(!bytes.empty(), name, ": empty file (0 bytes)");
  TSR_CHECK_INPUT(bytes.size() < std::size_t{1} << 30, name, ": too large for an image: ", bytes.size(),
                  " bytes");
  return begins_with(bytes, "\xFF\xD8") ? decode_jpeg(bytes, name) : decode_by_stb(bytes, name);
}

Image read_image(const std::filesystem::path& path) { return decode_image(read_bytes(path), path.string()); }

void write_png(const std::filesystem::path& path, const Image& image) {
  TSR_CHECK(image.channels == 1 || image.channels == 3, "write_png: ", image.channels,
            " channels where 1 or 3 were expected");
  std::vector<char> png;
  const bool encoded = stbi_write_png_to_func(append_bytes, &png, image.width, image.height, image.channels,
                                              image.pixels.data(), image.width * image.channels);
  TSR_CHECK(encoded, path.string(), ": cannot encode ", image.width, " x ", image.height, " pixels");
  const std::filesystem::path aside = path.string() + ".part";
  std::ofstream file(aside, std::ios::binary);
  file.write(png.data(), static_cast<std::streamsize>(png.size()));
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(aside, path, error);
  if (!file || error) {
    std::error_code ignored;
    std::filesystem::remove(aside, ignored);
    throw InputError(text(path.string(), ": cannot write: ", std::strerror(error ? error.value() : errno)));
  }
}

}  // namespace tsr
