#pragma once
// Runs a program as a user would.

#include <filesystem>
#include <string>
#include <vector>

namespace tsr::test {

struct CommandResult {
  int code = 0;  ///< exit code; 128 + signal when killed
  std::string out, err;
};

/// `folder` is the working directory; killed with SIGKILL after `kill_after_ms` unless that is 0.
CommandResult run_program(const std::filesystem::path& program, const std::filesystem::path& folder,
                          const std::vector<std::string>& arguments, int kill_after_ms = 0);

/// An empty folder that disappears with the object.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string read_text(const std::filesystem::path& file);
void write_text(const std::filesystem::path& file, const std::string& content);
/// Relative paths of all files and folders below, sorted.
std::vector<std::string> listing(const std::filesystem::path& folder);

}  // namespace tsr::test
