#pragma once
// Files written whole or not at all.

#include <cstddef>
#include <filesystem>
#include <functional>
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

}  // namespace tsr
