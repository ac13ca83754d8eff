#include "tensor/file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
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

}  // namespace tsr
