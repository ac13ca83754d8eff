#include "tensor/file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tensor/error.h"

namespace tsr {
namespace {

/// A POSIX descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags)
      : path_(path), fd_(::open(path.c_str(), flags, 0644)) {
    TSR_CHECK(fd_ >= 0, path.string(), ": can't be opened: ", std::strerror(errno));
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void put(const void* data, std::size_t bytes) const {
    const auto* from = static_cast<const char*>(data);
    while (bytes > 0) {
      const ssize_t written = ::write(fd_, from, bytes);
      if (written < 0 && errno == EINTR) continue;
      TSR_CHECK(written >= 0, path_.string(), ": write failed: ", std::strerror(errno));
      from += written;
      bytes -= static_cast<std::size_t>(written);
    }
  }
  void sync() const { TSR_CHECK(::fsync(fd_) == 0, path_.string(), ": sync failed: ", std::strerror(errno)); }

 private:
  std::filesystem::path path_;
  int fd_;
};

}  // namespace

void write_atomically(
    const std::filesystem::path& path,
    const std::function<void(const std::function<void(const void*, std::size_t)>&)>& write) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  try {
    const Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
    write([&](const void* data, std::size_t bytes) { file.put(data, bytes); });
    file.sync();
    std::filesystem::rename(temporary, path);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw;
  }
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  Descriptor(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC).sync();
}

void write_atomically(const std::filesystem::path& path, std::string_view content) {
  write_atomically(path, [&](const auto& put) { put(content.data(), content.size()); });
}

void sync_file(const std::filesystem::path& path) { Descriptor(path, O_RDONLY | O_CLOEXEC).sync(); }

ReadFile::ReadFile(const std::filesystem::path& path)
    : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct stat status {};
  const bool readable = fd_ >= 0 && ::fstat(fd_, &status) == 0 && !S_ISDIR(status.st_mode);
  if (!readable && fd_ >= 0) ::close(fd_);
  TSR_CHECK_INPUT(readable, path.string(), ": no such file, or not readable");
  bytes_ = static_cast<std::uint64_t>(status.st_size);
}

ReadFile::~ReadFile() { ::close(fd_); }

void ReadFile::read(std::uint64_t offset, void* to, std::size_t count) const {
  auto* into = static_cast<char*>(to);
  while (count > 0) {
    const ssize_t got = ::pread(fd_, into, count, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    TSR_CHECK_INPUT(got >= 0, name(), ": can't be read: ", std::strerror(errno));
    TSR_CHECK_INPUT(got > 0, name(), ": ends at byte ", offset, ", ", count, " bytes too early");
    into += got;
    offset += static_cast<std::uint64_t>(got);
    count -= static_cast<std::size_t>(got);
  }
}

}  // namespace tsr
