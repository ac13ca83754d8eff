#include "data/idx.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>
#include <zlib.h>

namespace tsr {
namespace {

/// A file read through zlib, which passes plain files through unchanged.
class GzipReader {
 public:
  explicit GzipReader(const std::filesystem::path& path) : path_(path.string()) {
    std::error_code error;
    TSR_CHECK_INPUT(!std::filesystem::is_directory(path, error), path_, ": is a folder, not an IDX file");
    errno = 0;
    file_ = gzopen(path.c_str(), "rb");
    TSR_CHECK_INPUT(file_ != nullptr, path_, ": cannot open: ", std::strerror(errno));
    gzbuffer(file_, 1 << 17);
  }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;
  ~GzipReader() { gzclose_r(file_); }

  /// Reads up to `count` bytes; fewer only at the end of the file. Throws InputError for a damaged stream.
  std::size_t read(std::uint8_t* out, std::size_t count) {
    std::size_t done = 0;
    while (done < count) {
      const auto wanted = static_cast<unsigned>(std::min<std::size_t>(count - done, 1 << 20));
      const int got = gzread(file_, out + done, wanted);
      int status = Z_OK;
      gzerror(file_, &status);
      TSR_CHECK_INPUT(status != Z_BUF_ERROR, path_, ": truncated gzip stream");
      TSR_CHECK_INPUT(got >= 0, path_, ": ",
                      status == Z_ERRNO ? std::strerror(errno) : "damaged gzip stream");
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  std::string path_;
  gzFile file_ = nullptr;
};

std::uint32_t big_endian(const std::uint8_t* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
         std::uint32_t{bytes[3]};
}

/// The sizes in the header.
std::vector<std::int64_t> read_header(GzipReader& reader, const std::string& path, int rank) {
  std::vector<std::uint8_t> bytes(4 + 4 * static_cast<std::size_t>(rank));
  const std::size_t got = reader.read(bytes.data(), bytes.size());
  TSR_CHECK_INPUT(got >= 4, path, ": not an IDX file: only ", got, " bytes");
  constexpr std::uint32_t kUnsignedByte = 0x08;
  const std::uint32_t magic = big_endian(bytes.data());
  const std::uint32_t expected = kUnsignedByte << 8 | static_cast<std::uint32_t>(rank);
  TSR_CHECK_INPUT(magic == expected, path, ": magic number ", Hex{magic}, " where ", Hex{expected},
                  " (IDX, unsigned bytes, ", rank, rank == 1 ? " size" : " sizes", ") was expected");
  TSR_CHECK_INPUT(got == bytes.size(), path, ": truncated: ", got, " bytes, the header alone has ",
                  bytes.size());
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 4; i < bytes.size(); i += 4) sizes.push_back(big_endian(bytes.data() + i));
  return sizes;
}

std::int64_t checked_product(const std::vector<std::int64_t>& sizes, const std::string& path) {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) {
    TSR_CHECK_INPUT(size == 0 || count <= std::numeric_limits<std::int64_t>::max() / size, path,
                    ": the header's sizes overflow");
    count *= size;
  }
  return count;
}

class IdxDataset final : public Dataset {
 public:
  IdxDataset(std::string name, IdxArray images, IdxArray labels, std::vector<std::string> class_names)
      : name_(std::move(name)),
        images_(std::move(images)),
        labels_(std::move(labels)),
        class_names_(std::move(class_names)) {}

  std::string name() const override { return name_; }
  std::int64_t size() const override { return images_.sizes[0]; }
  int channels() const override { return 1; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  std::int64_t label(std::int64_t index) const override {
    check(index);
    return labels_.values[static_cast<std::size_t>(index)];
  }
  Image image(std::int64_t index) const override {
    check(index);
    Image image(static_cast<int>(images_.sizes[1]), static_cast<int>(images_.sizes[2]), 1);
    std::copy_n(images_.values.data() + static_cast<std::size_t>(index) * image.pixels.size(),
                image.pixels.size(), image.pixels.data());
    return image;
  }

 private:
  void check(std::int64_t index) const {
    TSR_CHECK(index >= 0 && index < size(), name_, ": no sample ", index, " among ", size());
  }

  std::string name_;
  IdxArray images_, labels_;
  std::vector<std::string> class_names_;
};

}  // namespace

IdxArray read_idx(const std::filesystem::path& path, int rank) {
  const std::string shown = path.string();
  GzipReader reader(path);
  IdxArray array{read_header(reader, shown, rank), {}};
  const auto expected = static_cast<std::size_t>(checked_product(array.sizes, shown));
  // In pieces: a header that lies must not make us allocate what it claims.
  constexpr std::size_t kPiece = 1 << 24;
  while (array.values.size() < expected) {
    const std::size_t have = array.values.size(), wanted = std::min(kPiece, expected - have);
    array.values.resize(have + wanted);
    const std::size_t got = reader.read(array.values.data() + have, wanted);
    TSR_CHECK_INPUT(got == wanted, shown, ": truncated: its header promises ", expected, " elements, ",
                    have + got, " are there");
  }
  std::uint8_t extra = 0;
  TSR_CHECK_INPUT(reader.read(&extra, 1) == 0, shown, ": goes on after the ", expected,
                  " elements that its header promises");
  return array;
}

DatasetPtr open_idx(std::string name, const std::filesystem::path& images,
                    const std::filesystem::path& labels, std::vector<std::string> class_names) {
  IdxArray pixels = read_idx(images, 3);
  TSR_CHECK_INPUT(!pixels.values.empty(), images.string(), ": holds no pixels");
  TSR_CHECK_INPUT(std::max(pixels.sizes[1], pixels.sizes[2]) <= 1 << 15, images.string(), ": images of ",
                  pixels.sizes[1], " x ", pixels.sizes[2], " pixels are too large");
  IdxArray classes = read_idx(labels, 1);
  TSR_CHECK_INPUT(classes.sizes[0] == pixels.sizes[0], labels.string(), ": ", classes.sizes[0],
                  " labels for the ", pixels.sizes[0], " images of ", images.filename().string());
  const std::uint8_t largest = *std::max_element(classes.values.begin(), classes.values.end());
  TSR_CHECK_INPUT(largest < class_names.size(), labels.string(), ": label ", int{largest},
                  " where the classes end at ", class_names.size() - 1);
  return std::make_shared<IdxDataset>(std::move(name), std::move(pixels), std::move(classes),
                                      std::move(class_names));
}

}  // namespace tsr
