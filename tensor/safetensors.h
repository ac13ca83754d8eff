#pragma once
// safetensors: named tensors in one file (an 8-byte length, a JSON header, raw little-endian data).
// Format: https://github.com/huggingface/safetensors

#include <filesystem>
#include <map>
#include <string>

#include "tensor/file.h"
#include "tensor/source.h"

namespace tsr {

using Metadata = std::map<std::string, std::string>;

/// A file open for reading: the header is read at once, a tensor when it is asked for, so that a file may be
/// larger than the memory.
class SafetensorsReader final : public TensorSource {
 public:
  /// Throws InputError, naming the file and the entry, when the file can't be read, is truncated, holds a
  /// dtype that we lack, or its header lies: a name twice, offsets outside the file, overlapping, leaving
  /// holes, or not of the shape's size.
  explicit SafetensorsReader(const std::filesystem::path& path);

  const std::map<std::string, TensorInfo>& entries() const override { return entries_; }
  /// Reads one tensor. Throws InputError when there is none of that name, the file was cut short meanwhile,
  /// or a bool is neither 0 nor 1.
  Tensor read(const std::string& name) const override;
  const Metadata& metadata() const { return metadata_; }
  std::string file() const { return file_.name(); }

 private:
  ReadFile file_;
  Metadata metadata_;
  std::map<std::string, TensorInfo> entries_;
  std::map<std::string, std::uint64_t> offsets_;  ///< of the first byte, from the start of the file
};

struct SafetensorsFile {
  TensorMap tensors;
  Metadata metadata;
};

/// Reads every tensor of a file; throws as SafetensorsReader does.
SafetensorsFile read_safetensors(const std::filesystem::path& path);

/// Writes aside, syncs, renames and syncs the folder: a crash leaves the old file or the new one. Tensors are
/// written dense one after another, large elements first and then by name, so that each is aligned to its
/// element; at most one at a time is copied. Throws Error when the disk refuses, or a name or metadata is not
/// UTF-8.
void write_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                       const Metadata& metadata = {});

}  // namespace tsr
