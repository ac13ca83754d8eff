#pragma once
// The folder of a pre-training run.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

namespace tsr {

/// Makes a folder for a new run, or takes up the one of an earlier run. Holds
///   config.json              what the run is
///   metrics.jsonl            a line a step; the same bytes for the same configuration
///   timings.jsonl            what the clock said
///   checkpoint.safetensors   everything needed to go on
///   model.safetensors        the encoder, when the run is complete
/// Until keep() is called, the destructor takes back whatever a new run has made.
class RunFolder {
 public:
  /// A new run's path must not exist, or be empty. With `resume`, an existing run's config.json must agree
  /// with `config` ("derived" included); an empty or missing folder starts afresh. Throws InputError that
  /// names the first difference, or says what to do.
  RunFolder(const std::filesystem::path& path, bool resume, const nlohmann::json& config);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  /// From now on the folder's contents are worth keeping.
  void keep() { made_.clear(); }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoint() const { return path_ / "checkpoint.safetensors"; }
  std::filesystem::path model() const { return path_ / "model.safetensors"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path timings() const { return path_ / "timings.jsonl"; }
  bool has_checkpoint() const { return std::filesystem::exists(checkpoint()); }

 private:
  void start(const nlohmann::json& config);
  void take_up(const nlohmann::json& config) const;

  std::filesystem::path path_;
  std::vector<std::filesystem::path> made_;  ///< to be removed in reverse order
};

/// A file of JSON objects, a line each, which grows.
class JsonLines {
 public:
  explicit JsonLines(std::filesystem::path path) : path_(std::move(path)) {}
  /// Cuts the file after its first `count` lines and opens it for more. Throws InputError when it has fewer.
  void open_after(std::int64_t count);
  /// Opens it for more.
  void open_at_end();
  /// Throws Error when the disk refuses.
  void write(const nlohmann::ordered_json& line);
  /// Waits until all lines are on the disk.
  void sync() const;

 private:
  std::filesystem::path path_;
  std::ofstream out_;
};

}  // namespace tsr
