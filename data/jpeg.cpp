#include "data/jpeg.h"

#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <vector>
// jpeglib.h needs the two above.
#include <jerror.h>
#include <jpeglib.h>

#include "tensor/error.h"

namespace tsr {
namespace {

constexpr std::uint64_t kMostPixels = 1 << 28;

/// libjpeg's error manager with what we add to it. Leaves by longjmp: no exception may pass through C frames.
struct Errors {
  jpeg_error_mgr base;
  std::jmp_buf leave;
  char message[JMSG_LENGTH_MAX];
};

void leave_with_message(j_common_ptr info) {
  auto* errors = reinterpret_cast<Errors*>(info->err);
  info->err->format_message(info, errors->message);
  std::longjmp(errors->leave, 1);
}

/// Warnings after which libjpeg invents pixels are errors; the harmless ones (stray bytes between markers,
/// unknown Adobe flags) pass.
void judge_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_NOT_SEQUENTIAL:
      leave_with_message(info);
      break;
    default:
      break;
  }
}

/// Adobe's CMYK JPEGs store inverted inks: a channel is ink × black.
void cmyk_to_rgb(const std::vector<std::uint8_t>& cmyk, std::uint8_t* rgb) {
  for (std::size_t i = 0; i + 3 < cmyk.size(); i += 4)
    for (std::size_t c = 0; c < 3; ++c)
      *rgb++ = static_cast<std::uint8_t>((cmyk[i + c] * cmyk[i + 3] + 127) / 255);
}

/// The C side, without objects that longjmp would skip: `image` and `line` live in the caller.
bool decode(jpeg_decompress_struct& info, Errors& errors, std::span<const std::uint8_t> bytes, Image& image,
            std::vector<std::uint8_t>& line) {
  if (setjmp(errors.leave)) return false;
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes.data(), bytes.size());
  jpeg_read_header(&info, TRUE);
  if (std::uint64_t{info.image_width} * info.image_height > kMostPixels) {
    std::snprintf(errors.message, sizeof errors.message, "%u x %u pixels are too many", info.image_width,
                  info.image_height);
    return false;
  }
  const bool cmyk = info.num_components == 4;
  info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&info);
  image = Image(static_cast<int>(info.output_height), static_cast<int>(info.output_width), 3);
  if (cmyk) line.resize(std::size_t{4} * info.output_width);
  while (info.output_scanline < info.output_height) {
    std::uint8_t* target = image.at(static_cast<int>(info.output_scanline), 0);
    JSAMPROW row = cmyk ? line.data() : target;
    jpeg_read_scanlines(&info, &row, 1);
    if (cmyk) cmyk_to_rgb(line, target);
  }
  jpeg_finish_decompress(&info);
  return true;
}

}  // namespace

Image decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& name) {
  jpeg_decompress_struct info{};
  Errors errors{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = leave_with_message;
  errors.base.emit_message = judge_message;
  Image image;
  std::vector<std::uint8_t> line;
  const bool good = decode(info, errors, bytes, image, line);
  jpeg_destroy_decompress(&info);
  TSR_CHECK_INPUT(good, name, ": damaged JPEG: ", errors.message);
  return image;
}

}  // namespace tsr
