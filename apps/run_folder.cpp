#include "apps/run_folder.h"

#include "apps/run_config.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace tsr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "config.json";

/// Whether nothing is there but what a kill in the middle of the first write may leave.
bool is_blank(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename() != std::string(kConfig) + ".tmp") return false;
  return true;
}

/// Makes a folder and the missing ones above it; returns those made, the outermost first.
std::vector<fs::path> make_folders(const fs::path& path) {
  std::vector<fs::path> missing;
  for (fs::path folder = fs::absolute(path).lexically_normal(); !fs::exists(folder);
       folder = folder.parent_path())
    missing.insert(missing.begin(), folder);
  std::error_code error;
  fs::create_directories(path, error);
  TSR_CHECK_INPUT(!error, "--out: ", path.string(), " can't be made: ", error.message());
  return missing;
}

}  // namespace

RunFolder::RunFolder(const fs::path& path, bool resume, const nlohmann::json& config) : path_(path) {
  const bool exists = fs::exists(path);
  TSR_CHECK_INPUT(!exists || fs::is_directory(path), "--out: ", path.string(), " is not a folder");
  if (!exists || is_blank(path)) {
    start(config);
    return;
  }
  TSR_CHECK_INPUT(resume, "--out: ", path.string(),
                  " is not empty; add --resume to go on with the run in it, or choose another folder");
  TSR_CHECK_INPUT(fs::exists(path / kConfig), "--out: ", path.string(),
                  " has no config.json, so there is no run to resume; choose another folder");
  take_up(config);
}

RunFolder::~RunFolder() {
  std::error_code ignored;
  for (auto made = made_.rbegin(); made != made_.rend(); ++made) fs::remove(*made, ignored);
}

void RunFolder::start(const nlohmann::json& config) {
  made_ = make_folders(path_);
  for (const fs::path& file : {path_ / kConfig, metrics(), timings()}) made_.push_back(file);
  try {
    write_atomically(path_ / kConfig, config.dump(2) + '\n');
  } catch (const Error& error) {
    RunFolder::~RunFolder();
    throw InputError(text("--out: ", error.what()));
  }
}

void RunFolder::take_up(const nlohmann::json& config) const {
  const std::string difference = first_difference(read_layer(path_ / kConfig), config);
  TSR_CHECK_INPUT(difference.empty(), "--resume: ", (path_ / kConfig).string(), ": ", difference,
                  "; repeat the first command's options, or give --config ", (path_ / kConfig).string());
}

void JsonLines::open_after(std::int64_t count) {
  std::ifstream in(path_);
  std::string line;
  std::uintmax_t bytes = 0;
  std::int64_t lines = 0;
  while (lines < count && std::getline(in, line) && !in.eof()) {
    bytes += line.size() + 1;
    ++lines;
  }
  TSR_CHECK_INPUT(lines == count, path_.string(), ": has ", lines, " lines but the checkpoint is of step ",
                  count, "; remove the run's folder and start again");
  if (std::filesystem::exists(path_)) std::filesystem::resize_file(path_, bytes);
  open_at_end();
}

void JsonLines::open_at_end() {
  out_.open(path_, std::ios::app);
  TSR_CHECK(out_, path_.string(), ": can't be opened for writing");
}

void JsonLines::write(const nlohmann::ordered_json& line) {
  out_ << line.dump() << '\n' << std::flush;
  TSR_CHECK(out_, path_.string(), ": write failed; is the disk full?");
}

void JsonLines::sync() const { sync_file(path_); }

}  // namespace tsr
