#pragma once
// Files written whole or not at all, and read at a place.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace tsr {

/// Calls write(put) with put(bytes, count) appending to a temporary file beside `path`; then syncs it,
/// renames it to `path` and syncs the folder. On any failure the temporary is removed, `path` is untouched,
/// and Error says what failed.
void write_atomically(const std::filesystem::path& path,
                      const std::function<void(const std::function<void(const void*, std::size_t)>&)>& write);
void write_atomically(const std::filesystem::path& path, std::string_view content);

/// Waits until what was written to an existing file is on the disk; throws Error when that fails.
void sync_file(const std::filesystem::path& path);

/// A file open for reading.
class ReadFile {
 public:
  /// Throws InputError when there is no such file, it can't be read, or is a folder.
  explicit ReadFile(const std::filesystem::path& path);
  ~ReadFile();
  ReadFile(const ReadFile&) = delete;
  ReadFile& operator=(const ReadFile&) = delete;

  std::string name() const { return path_.string(); }
  std::uint64_t bytes() const { return bytes_; }
  /// Fills `to` from `offset` on; throws InputError when the file ends before, or can't be read.
  void read(std::uint64_t offset, void* to, std::size_t count) const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t bytes_ = 0;
};

}  // namespace tsr
